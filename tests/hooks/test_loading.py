"""Plugins of all three sources load; one that does not is named, and costs nobody else."""

from __future__ import annotations

import pickle
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dfsubmit import __version__
from dfsubmit.cli import main
from dfsubmit.errors import PluginError, UsageError
from dfsubmit.hooks import hookspecs, loading
from dfsubmit.hooks.loading import BUILT_IN_PLUGINS, load_plugins
from dfsubmit.records import FrameScores
from dfsubmit.scoring.aggregate import mean

HEAD = "from dfsubmit import hookimpl\n"
GOOD = HEAD + textwrap.dedent(
    """
    @hookimpl
    def register_aggregators(register):
        register("{name}", lambda scores, k=2: float(scores.p_fake.max()))
    """
)
NAMED = HEAD + textwrap.dedent(
    """
    NAME = "{name}"

    def rule(scores):
        return 0.5

    @hookimpl
    def register_aggregators(register):
        register(NAME, rule)
    """
)
MISSPELT = HEAD + "@hookimpl\ndef register_agregators(register):\n    pass\n"
TAKEN = HEAD + textwrap.dedent(
    """
    @hookimpl
    def register_aggregators(register):
        register("fine", lambda scores: 1.0)
        register("mean", lambda scores: 1.0)
    """
)


Install = Callable[[str, str], None]
Invoke = Callable[..., Result]


@pytest.fixture
def invoke() -> Invoke:
    return lambda *arguments: CliRunner().invoke(main, arguments)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "my plugins"
    path.mkdir()
    return path


def write(folder: Path, **sources: str) -> Path:
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)
    return folder


def test_the_built_ins_come_through_the_same_hooks() -> None:
    plugins = load_plugins()
    assert plugins.aggregators["mean"].function is mean
    assert plugins.aggregators["mean"].plugin == "dfsubmit.scoring.aggregate"
    assert plugins.aggregators["mean"].properties == {
        "idempotent",
        "monotone",
        "order_independent",
    }
    assert plugins.loader_plugins["huggingface"] == "dfsubmit.models.huggingface"
    built_in = [info.name for info in plugins.infos if info.source == "built-in"]
    assert tuple(built_in) == BUILT_IN_PLUGINS


def test_a_single_file_is_a_plugin(folder: Path, make_scores: Callable[..., FrameScores]) -> None:
    path = list(sys.path)
    plugins = load_plugins([write(folder, mine=GOOD.format(name="highest"))])
    assert plugins.aggregator("highest:k=3")(make_scores(0.2, 0.7)) == 0.7
    info = plugins.infos[-1]
    assert (info.name, info.source, info.error) == (str(folder / "mine.py"), "file", "")
    assert plugins.aggregators["highest"].plugin == info.name
    # What lies beside a plugin must not become importable.
    assert sys.path == path


def test_several_folders_load_in_turn(folder: Path, tmp_path: Path) -> None:
    write(folder, same=GOOD.format(name="one"))
    other = tmp_path / "other"
    other.mkdir()
    write(other, same=GOOD.format(name="two"))
    plugins = load_plugins([folder, other])
    assert {"one", "two"} <= set(plugins.aggregators)
    assert not plugins.failures


def test_files_of_one_name_are_modules_of_their_own(folder: Path, tmp_path: Path) -> None:
    """One entry in `sys.modules` would give the first one's code the second one's names."""
    (tmp_path / "other").mkdir()
    for place, name in ((folder, "one"), (tmp_path / "other", "two")):
        write(place, same=NAMED.format(name=name))
    plugins = load_plugins([folder, tmp_path / "other"])
    for name in ("one", "two"):
        rule = plugins.aggregators[name].function
        assert pickle.loads(pickle.dumps(rule)) is rule
        assert vars(sys.modules[rule.__module__])["NAME"] == name


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gone"):
        load_plugins([tmp_path / "gone"])


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import not_there_at_all\n", "ModuleNotFoundError"),
        ("import sys\nimport not_there_at_all\n", "(a_bad.py, line 2)"),
        ("def broken(:\n", "SyntaxError: invalid syntax (a_bad.py, line 1)"),
        (GOOD.replace("@hookimpl\n", ""), "it registers nothing: is @hookimpl missing"),
        ("x = 1\n", "it registers nothing: is @hookimpl missing"),
        (HEAD + "@hookimpl\ndef register_aggregators(register):\n    pass\n",
         "it registers nothing"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
        (MISSPELT, "register_agregators"),
        (TAKEN, "the name 'mean' is taken"),
        (GOOD.format(name="top:k"), "'top:k' is not a usable name"),
        (GOOD.format(name=""), "not a usable name"),
        (GOOD.replace(".max())", ".max()), properties=('kind',)")
         .format(name="odd"), "unknown properties"),
        (HEAD + "@hookimpl\ndef register_aggregators(registar):\n    pass\n", "registar"),
    ],
)  # fmt: skip
def test_a_failing_plugin_is_named_and_the_others_load(
    folder: Path, source: str, reason: str
) -> None:
    write(folder, a_bad=source, b_good=GOOD.format(name="highest"))
    plugins = load_plugins([folder])
    (failure,) = plugins.failures
    assert failure.name == str(folder / "a_bad.py")
    assert reason in failure.error
    assert "highest" in plugins.aggregators
    # All of a plugin's objects or none: "fine" stood before the name that was taken.
    assert "fine" not in plugins.aggregators
    assert plugins.aggregators["mean"].function is mean


def test_strict_turns_a_failure_into_an_error(folder: Path) -> None:
    write(folder, bad=MISSPELT)
    with pytest.raises(PluginError, match=r"bad\.py does not load.*register_agregators"):
        load_plugins([folder], strict=True)


def test_two_plugins_of_one_name_do_not_silently_replace_each_other(folder: Path) -> None:
    write(folder, a=GOOD.format(name="highest"), b=GOOD.format(name="highest"))
    plugins = load_plugins([folder])
    assert plugins.aggregators["highest"].plugin == str(folder / "a.py")
    assert "'highest' is taken" in plugins.failures[0].error


def test_an_unknown_aggregator_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="'meen'") as caught:
        load_plugins().aggregator("meen")
    assert "'mean'" in caught.value.hint


def test_a_file_registers_a_model_loader(folder: Path) -> None:
    source = HEAD + textwrap.dedent(
        """
        class Loader:
            def rank(self, request):
                return 0

        @hookimpl
        def register_model_loaders(register):
            register("mine", Loader())
        """
    )
    plugins = load_plugins([write(folder, loader=source)])
    assert plugins.loader_plugins["mine"] == str(folder / "loader.py")
    assert type(plugins.loaders["mine"]).__name__ == "Loader"


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """An installed distribution, as pip leaves it: a module and its dist-info."""
    site = tmp_path / "site"
    info = site / "fake_plugin-1.2.3.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-plugin\nVersion: 1.2.3\n")
    monkeypatch.syspath_prepend(str(site))

    def install(module: str, source: str) -> None:
        (site / f"{module}.py").write_text(source)
        (info / "entry_points.txt").write_text(f"[dfsubmit]\nfake = {module}\n")

    return install


def test_an_installed_distribution_loads_through_its_entry_point(
    distribution: Install, make_scores: Callable[..., FrameScores]
) -> None:
    distribution("dfsubmit_test_installed", GOOD.format(name="installed_rule"))
    plugins = load_plugins()
    assert plugins.aggregator("installed_rule")(make_scores(0.1, 0.9)) == 0.9
    (info,) = [info for info in plugins.infos if info.name == "fake-plugin"]
    assert (info.source, info.version, info.error) == ("installed", "1.2.3", "")


def test_a_broken_distribution_is_named(distribution: Install) -> None:
    distribution("dfsubmit_test_broken", "raise RuntimeError('no licence')\n")
    (info,) = [info for info in load_plugins().failures if info.name == "fake-plugin"]
    assert info.source == "installed"
    assert info.error == "RuntimeError: no licence (dfsubmit_test_broken.py, line 1)"


@pytest.mark.parametrize(
    ("declared", "remedy"),
    [
        (2, "take a newer dfsubmit"),
        (0, "take a newer release of the plugin, or adapt it"),
        ("1", "take a newer release of the plugin, or adapt it"),
    ],
)
def test_a_plugin_for_other_hooks_is_refused(
    folder: Path, declared: object, remedy: str, invoke: Invoke
) -> None:
    source = f"DFSUBMIT_HOOKS = {declared!r}\n" + GOOD.format(name="highest")
    write(folder, mine=source, other=GOOD.format(name="other"))
    sentence = (
        f"it was written for version {declared} of the hooks (DFSUBMIT_HOOKS = {declared!r}), and "
        f"dfsubmit {__version__} has version 1: {remedy}"
    )
    output = invoke("plugins", "--plugins-dir", str(folder)).output
    assert output.startswith("plugins (version 1 of the hooks)\n")
    assert f"mine.py (file): FAILED: {sentence}\n" in output
    assert "  other:k=2" in output
    assert "  highest" not in output
    with pytest.raises(PluginError, match=rf"mine\.py does not load: {re.escape(sentence)}"):
        load_plugins([folder], strict=True)


def test_a_plugin_that_names_its_version_loads(folder: Path) -> None:
    write(folder, mine="DFSUBMIT_HOOKS = 1\n" + GOOD.format(name="highest"))
    assert "highest" in load_plugins([folder], strict=True).aggregators


def test_a_plugin_that_names_none_was_written_for_the_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It works today, and is refused with the next version."""
    write(folder, mine=GOOD.format(name="highest"))
    assert "highest" in load_plugins([folder], strict=True).aggregators
    monkeypatch.setattr(hookspecs, "HOOKS_VERSION", 2)
    monkeypatch.setattr(loading, "BUILT_IN_PLUGINS", ())
    (failure,) = [info for info in load_plugins([folder]).failures if info.source == "file"]
    assert failure.error.startswith("it was written for version 1 of the hooks (it names none)")


def test_an_installed_plugin_for_other_hooks_is_refused(distribution: Install) -> None:
    source = "DFSUBMIT_HOOKS = 2\n" + GOOD.format(name="installed_rule")
    distribution("dfsubmit_test_newer", source)
    (info,) = [info for info in load_plugins().failures if info.name == "fake-plugin"]
    assert info.error.startswith("it was written for version 2 of the hooks")
