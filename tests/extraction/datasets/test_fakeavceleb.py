"""FakeAVCeleb: four folders, people in folders and names, methods in its list."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import by_name, groups_of, touch

from dfsubmit.extraction.layouts import find_sources, layout_of
from dfsubmit.labels import FAKE, REAL

REALS = "RealVideo-RealAudio/African/men/id00076/00109.mp4"
CLONED = "RealVideo-FakeAudio/African/men/id00076/00109_fake.mp4"
OTHER = "RealVideo-RealAudio/Asian (East)/women/id00476/00025.mp4"
TALKING = "FakeVideo-FakeAudio/African/men/id00076/00109_10_id00476_wavtolip.mp4"
SWAPPED = "FakeVideo-RealAudio/African/men/id00076/00109_id01933_I5id00099xx_id00781.mp4"


@pytest.mark.parametrize("above", ["", "FakeAVCeleb_v1.2/"])
def test_people_labels_and_methods(tmp_path: Path, above: str) -> None:
    touch(tmp_path, *(above + name for name in (REALS, CLONED, OTHER, TALKING, SWAPPED)))
    (tmp_path / above / "meta_data.csv").write_text(
        "source,target1,target2,method,category,type,race,gender,path,\n"
        "id00076,10,id00476,wav2lip,D,FakeVideo-FakeAudio,African,men,"
        "00109_10_id00476_wavtolip.mp4,FakeAVCeleb/FakeVideo-FakeAudio/African/men/id00076\n"
    )
    assert layout_of(tmp_path) == "fakeavceleb"
    found = by_name(find_sources(tmp_path))
    fakes = {name for name, source in found.items() if source.label == FAKE}
    assert fakes == {above + TALKING, above + SWAPPED}
    # What is heard alone is not seen.
    cloned = found[above + CLONED]
    assert (cloned.label, cloned.method) == (REAL, "RealVideo-FakeAudio")
    assert found[above + TALKING].method == "wav2lip"
    assert found[above + SWAPPED].method == "FakeVideo-RealAudio"
    assert found[above + SWAPPED].identities == (
        "fakeavceleb:id00076",
        "fakeavceleb:id01933",
        "fakeavceleb:id00781",
    )
    groups = groups_of(list(found.values()))
    assert groups[above + REALS] == groups[above + OTHER] == groups[above + TALKING]
