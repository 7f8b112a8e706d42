"""What is imported when: heavy libraries only where they are used."""

import subprocess
import sys

import pytest

HEAVY = ["torch", "torchvision", "ray", "optuna", "pandas", "seaborn", "sklearn", "matplotlib"]


def imported_by(code: str) -> set[str]:
    """Return which heavy libraries a fresh interpreter has after running the code."""
    show = f"import sys\n{code}\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import fishnet_search",
        "from fishnet_search import build_graph, cost_of, load_spec; cost_of(build_graph(load_spec('fishnet150')))",
        "from fishnet_search import load_space",
        "import fishnet_search.cli",
    ],
)
def test_describing_and_counting_need_none_of_the_heavy_libraries(code):
    assert imported_by(code) == set()


def test_torch_comes_in_when_a_network_is_built():
    code = "from fishnet_search import build_graph, build_network, load_spec"
    assert imported_by(code) == {"torch"}


def test_running_a_study_needs_no_ray():
    code = "sys.modules['ray'] = None\nimport fishnet_search.engine.local, fishnet_search.report.write"
    done = subprocess.run([sys.executable, "-c", f"import sys\n{code}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_names_that_the_package_does_not_have_are_refused_as_usual():
    import fishnet_search

    with pytest.raises(AttributeError, match="no attribute 'fly'"):
        _ = fishnet_search.fly
    assert all(getattr(fishnet_search, name) is not None for name in fishnet_search.__all__)
