#!/bin/bash
# A study as one SLURM job on several nodes, Ray included:
#
#     sbatch cluster/slurm.sh spaces/downsample.yaml
#
# Give it from a folder that all nodes see, with an environment in .venv. When the time is up, SLURM ends it and nothing
# is lost: the same command goes on.
#SBATCH --job-name=fishnet-search
#SBATCH --nodes=2
#SBATCH --exclusive
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=4
#SBATCH --time=24:00:00

set -euo pipefail
source .venv/bin/activate
export RAY_AUTH_MODE=token  # the nodes show the token of ~/.ray, which the head asks for
ray get-auth-token --generate > /dev/null  # if there is none yet

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | cut -d ' ' -f 1)

# starts Ray on every node, gives the command on the first one when all are there, and ends Ray with it: all of
# Ray that you run on these nodes, so take nodes for yourself
srun --kill-on-bad-exit=1 ray symmetric-run \
    --address "$address:6379" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus "$SLURM_CPUS_PER_TASK" --num-gpus "${SLURM_GPUS_ON_NODE:-0}" --disable-usage-stats \
    -- fishnet-search run "$@" --engine ray --ray-address auto
