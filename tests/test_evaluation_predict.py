import pytest
import torch
from torch import nn

from mechaug.errors import ModelError
from mechaug.evaluation.predict import ask, batch_size_for, check_labels, evaluating, logits_of, refuse_probabilities


class Says(nn.Module):
    def __init__(self, what):
        super().__init__()
        self.what = what

    def forward(self, x):
        return self.what(x)


PICTURES = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class TestAsk:
    @pytest.mark.parametrize(
        ("what", "sentence"),
        [
            (lambda x: x, r"shape \(4, 3, 8, 8\)"),
            (lambda x: x.flatten(1)[:2], "4 pictures need 4 rows"),
            (lambda x: (x.flatten(1), x), "type tuple"),
            (lambda x: x.flatten(1)[:, :5], "tells 5 classes apart, and the data has 10"),
            (lambda x: x.flatten(1)[:, :10] * torch.nan, "not finite"),
            (lambda x: x.flatten(1)[:, :10] / 0.0, "not finite"),
        ],
    )
    def test_what_is_no_row_of_logits_per_picture_is_refused(self, what, sentence):
        with pytest.raises(ValueError, match=sentence):
            ask(Says(what), PICTURES, classes=10)

    def test_what_a_model_dies_of_and_where_is_said_in_one_sentence(self):
        def die(x):
            raise KeyError("stem")

        with pytest.raises(ModelError, match=r"failed on 4 pictures of 3×8×8 \(KeyError: 'stem', test_.*py line \d+\)"):
            ask(Says(die), PICTURES)

    def test_pictures_that_do_not_fit_into_memory_ask_for_a_smaller_batch(self):
        def full(x):
            raise torch.OutOfMemoryError

        with pytest.raises(ModelError, match="4 pictures of 3×8×8 at once do not fit into memory: give a smaller"):
            ask(Says(full), PICTURES)

    def test_half_precision_becomes_single_and_double_stays(self):
        assert ask(Says(lambda x: x.flatten(1).half()), PICTURES).dtype == torch.float32
        assert ask(Says(lambda x: x.flatten(1).double()), PICTURES).dtype == torch.float64


class TestLogitsOf:
    def test_batches_give_the_same_as_one_call(self):
        model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(48), nn.Dropout(0.5)).train()
        pictures = torch.randint(0, 256, (7, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        found = logits_of(model, pictures, batch_size=3)
        assert torch.allclose(found, pictures.flatten(1).float() / 255, atol=1e-3)
        assert not found.requires_grad
        assert all(module.training for module in model.modules())
        assert model[1].num_batches_tracked == 0

    def test_a_change_is_told_the_rows(self):
        pictures = torch.zeros(5, 1, 2, 2, dtype=torch.uint8)
        found = logits_of(
            nn.Flatten(), pictures, batch_size=2, change=lambda x, rows: x + rows[:, None, None, None] / 10
        )
        assert found[:, 0].tolist() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])

    def test_refusals(self):
        with pytest.raises(ValueError, match="no pictures"):
            logits_of(nn.Flatten(), torch.zeros(0, 1, 2, 2, dtype=torch.uint8))
        with pytest.raises(ValueError, match="at least one picture, not 0"):
            logits_of(nn.Flatten(), torch.zeros(1, 1, 2, 2, dtype=torch.uint8), batch_size=0)


def test_probabilities_are_told_from_logits():
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    refuse_probabilities(logits)
    refuse_probabilities(logits.abs())
    with pytest.raises(ValueError, match="leave its last softmax out"):
        refuse_probabilities(logits.softmax(1))


def test_labels_beyond_the_model():
    check_labels(torch.tensor([0, 3]), 4)
    for labels in ([0, 4], [-1, 0]):
        with pytest.raises(ValueError, match="the model tells 4 classes"):
            check_labels(torch.tensor(labels), 4)


def test_the_modes_come_back_also_after_a_failure():
    model = nn.Sequential(nn.Dropout(), nn.Dropout())
    model[1].eval()
    with pytest.raises(RuntimeError), evaluating(model):
        assert not model[0].training
        raise RuntimeError
    assert [module.training for module in model] == [True, False]


@pytest.mark.parametrize(
    ("side", "device", "count"),
    [(32, "cpu", 256), (224, "cpu", 5), (4000, "cpu", 1), (8, "cpu", 256), (224, "cuda", 256)],
)
def test_large_pictures_go_through_a_model_on_a_cpu_a_few_at_a_time(side: int, device: str, count: int) -> None:
    assert batch_size_for(side, side, device) == count
