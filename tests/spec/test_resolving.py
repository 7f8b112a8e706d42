"""A spec written out in full is the same network with nothing left to guess."""

import pytest
import yaml
from hypothesis import given, settings

from fishnet_search.spec.loading import load_spec, preset_names
from fishnet_search.spec.resolving import as_yaml, resolved
from tests.fishes import minnow
from tests.spec.strategies import specs


@settings(max_examples=60, deadline=None)
@given(specs())
def test_what_was_derived_is_written_and_the_network_stays(spec):
    written = resolved(spec)
    assert written.identity() == spec.identity()
    assert resolved(written) == written
    assert type(spec).model_validate(yaml.safe_load(as_yaml(written))) == written


def test_widths_shortcuts_sources_and_taps_are_numbers_and_names():
    spec = resolved(minnow())
    assert [stage.width for stage in spec.head] == [40, 104, 200]
    assert [stage.shortcut for stage in spec.body] == ["identity", "squeeze", "squeeze"]
    assert [stage.transfer_from for stage in (*spec.body, *spec.head)] == [
        "tail1", "tail0", "stem", "body1", "body0", "bridge"
    ]  # fmt: skip
    assert spec.taps == {"body2": "body2", "head0": "head0", "head1": "head1", "head2": "head2"}
    assert "derived" not in as_yaml(spec).replace("group_width: derived", "")


@pytest.mark.parametrize("name", preset_names())
def test_the_yaml_of_a_preset_is_read_back_from_a_file(name, tmp_path):
    path = tmp_path / "written.yaml"
    path.write_text(as_yaml(resolved(load_spec(name))))
    assert load_spec(path).identity() == load_spec(name).identity()
    assert max(map(len, path.read_text().splitlines())) < 400
