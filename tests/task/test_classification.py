import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from fishnet_search.task.classification import Tally, evaluate

CPU = torch.device("cpu")


def ranked(*best):
    """Logits of 7 classes whose best guesses are these, in this order; the others follow from 6 down."""
    order = [*best, *(label for label in range(6, -1, -1) if label not in best)]
    logits = torch.empty(7)
    logits[order] = torch.arange(7.0, 0, -1)
    return logits


def test_top1_counts_the_best_guess_and_top5_the_best_five():
    logits = torch.stack([ranked(0), ranked(1, 0), ranked(6, 5, 4, 3, 0), ranked(6, 5, 4, 3, 2, 0)])
    tally = Tally(7, device=CPU)
    tally.add(logits, torch.zeros(4, dtype=torch.int64))
    evaluation = tally.evaluation()
    assert (evaluation["top1"], evaluation["top5"]) == (0.25, 0.75)
    # Rank r of 7 has the logit 7 - r: the loss is log(sum of exp(1..7)) less the logit of the label.
    log_sum = math.log(sum(math.exp(i) for i in range(1, 8)))
    assert evaluation["loss"] == pytest.approx(log_sum - (7 + 6 + 3 + 2) / 4, rel=1e-6)


def test_with_fewer_than_five_classes_every_guess_is_among_the_best():
    tally = Tally(3, device=CPU)
    tally.add(torch.tensor([[0.0, 1, 2], [2, 1, 0]]), torch.tensor([0, 0]))
    assert (tally.evaluation()["top1"], tally.evaluation()["top5"]) == (0.5, 1.0)


def test_the_figures_are_means_over_images_and_not_over_batches():
    logits, labels = torch.randn(10, 7, generator=torch.Generator().manual_seed(0)), torch.arange(10) % 7
    whole, split = Tally(7, device=CPU), Tally(7, device=CPU)
    whole.add(logits, labels)
    for batch in (slice(0, 9), slice(9, 10)):
        split.add(logits[batch], labels[batch])
    assert split.evaluation()["loss"] == pytest.approx(whole.evaluation()["loss"], rel=1e-6)
    assert (split.evaluation()["top1"], split.evaluation()["top5"]) == (
        whole.evaluation()["top1"],
        whole.evaluation()["top5"],
    )


def test_label_smoothing_spreads_its_mass_evenly_over_all_classes():
    logits, labels = torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([1])
    target = torch.tensor([[0.1, 0.8, 0.1]])  # 0.3 spread over three classes, 0.7 on the label
    expected = -(target * functional.log_softmax(logits, 1)).sum()
    assert Tally(3, device=CPU).add(logits, labels, label_smoothing=0.3).item() == pytest.approx(expected.item())


def test_the_loss_asks_for_targets_where_there_are_any_and_top1_for_the_labels():
    logits, labels = torch.tensor([[1.0, 2.0, 4.0], [3.0, 0.0, 0.0]]), torch.tensor([2, 1])
    targets = torch.tensor([[0.3, 0.0, 0.7], [0.9, 0.1, 0.0]])
    smooth = 0.8 * targets + 0.2 / 3
    expected = -(smooth * functional.log_softmax(logits, 1)).sum(1).mean()
    tally = Tally(3, device=CPU)
    assert tally.add(logits, labels, targets=targets, label_smoothing=0.2).item() == pytest.approx(expected.item())
    assert (tally.evaluation()["loss"], tally.evaluation()["top1"]) == (pytest.approx(expected.item()), 0.5)


def test_the_loss_of_logits_in_half_the_bits_is_computed_in_float32():
    logits, labels = torch.tensor([[4.0, 3.984375], [0.5, 0.0]]), torch.tensor([0, 1])
    whole, half = Tally(2, device=CPU), Tally(2, device=CPU)
    loss = half.add(logits.bfloat16(), labels)
    assert loss.dtype is torch.float32
    assert loss.item() == whole.add(logits, labels).item()
    assert half.evaluation() == whole.evaluation()


def test_the_loss_of_a_batch_can_be_differentiated():
    logits = torch.zeros(2, 4, requires_grad=True)
    Tally(4, device=CPU).add(logits, torch.tensor([0, 1])).backward()
    assert logits.grad[0].tolist() == [-0.375, 0.125, 0.125, 0.125]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_not_left_out(bad):
    tally = Tally(2, device=CPU)
    tally.add(torch.zeros(2, 2), torch.tensor([0, 1]))
    tally.add(torch.tensor([[bad, 0.0]]), torch.tensor([1]))
    assert not math.isfinite(tally.evaluation()["loss"])


def test_evaluation_uses_running_statistics_changes_nothing_and_keeps_no_gradients():
    network = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.9))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    logits, labels = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 3, 0, 1])
    outputs = []
    network.register_forward_hook(lambda _, __, output: outputs.append(output))
    evaluation = evaluate(network, [(logits, labels)], classes=4, device=CPU)

    expected = functional.cross_entropy(logits / math.sqrt(1 + 1e-5), labels).item()
    assert evaluation["loss"] == pytest.approx(expected, rel=1e-6)
    assert not outputs[0].requires_grad
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
