"""avsc params, report, bench, data check, and what every command has in common."""

import shutil
import subprocess
import sys
import webbrowser

import pytest
import yaml

import avsc.cli.bench
import avsc.cli.report
from avsc.datasets.demo import write

COMMANDS = [
    ["predict"],
    ["score"],
    ["results"],
    ["report"],
    ["bench"],
    ["data", "fetch"],
    ["data", "check"],
    ["params", "list"],
    ["params", "use"],
    ["params", "check"],
    ["params", "new"],
    ["submission", "check"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_help_teaches_with_an_example(run, command):
    done = run(*command, "--help")
    assert done.exit_code == 0
    assert (
        f"Examples:\n   avsc {' '.join(command)}"
        in done.stdout.replace(" \n", "\n").replace("  \n", "\n")
        or f"avsc {' '.join(command)}" in done.stdout.partition("Examples:")[2]
    )


def test_help_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from avsc.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "print([m for m in ('torch', 'plotly', 'h5py', 'dvc', 'av') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_shell_can_complete_the_command():
    environment = {"_AVSC_COMPLETE": "complete_bash", "COMP_WORDS": "avsc pre", "COMP_CWORD": "1"}
    code = "import sys; sys.argv[0] = 'avsc'; from avsc.cli import app; app(prog_name='avsc')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.stdout.split() == ["predict"]


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The report page, and the addresses that a browser was asked to open."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/index.html").touch()
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    return opened


def test_the_report_is_opened(run, page, tmp_path):
    assert run("report").exit_code == 0
    assert page == [(tmp_path / "reports/index.html").as_uri()]


def test_the_report_is_only_named_where_it_is_not_to_be_opened(run, page, tmp_path):
    assert run("report", "--no-open").stdout == f"{tmp_path / 'reports/index.html'}\n"
    assert page == []


@pytest.mark.usefixtures("page")
def test_an_absent_report_says_how_it_is_made(run, tmp_path):
    (tmp_path / "reports/index.html").unlink()
    done = run("report")
    assert done.exit_code == 1
    assert "avsc report --rebuild" in done.stderr


@pytest.mark.usefixtures("page")
def test_a_machine_without_browser_is_told_the_address(run, monkeypatch):
    monkeypatch.setattr(webbrowser, "open", lambda _: False)
    done = run("report")
    assert done.exit_code == 1
    assert "no browser to open file:///" in done.stderr


def test_a_rebuild_runs_the_stage_first_and_stops_with_it(run, page, monkeypatch):
    ran = []

    def repro(command, env):
        assert env["PATH"]
        ran.append(command[1:])
        return subprocess.CompletedProcess(command, len(ran) - 1)

    monkeypatch.setattr(avsc.cli.report.subprocess, "run", repro)
    assert run("report", "--rebuild").exit_code == 0
    assert ran == [["-m", "dvc", "repro", "report"]]
    assert len(page) == 1
    assert run("report", "--rebuild").exit_code == 1
    assert len(page) == 1


@pytest.fixture
def benchmarks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)  # it may lead to the project's own bench/
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench/good.py").write_text('"""Ours beside theirs."""\nprint("ours theirs")\n')
    (tmp_path / "bench/bad.py").write_text('"""Breaks."""\nraise SystemExit(3)\n')


@pytest.mark.usefixtures("benchmarks")
def test_benchmarks_are_listed_with_what_they_measure(run):
    listed = [line.split(maxsplit=1) for line in run("bench", "--list").stdout.splitlines()]
    assert listed == [["bad", "Breaks."], ["good", "Ours beside theirs."]]
    assert avsc.cli.bench._complete("g") == ["good"]


@pytest.mark.usefixtures("benchmarks")
def test_a_benchmark_prints_its_table(capfd):
    avsc.cli.bench.bench(["good"])
    assert "ours theirs" in capfd.readouterr().out


@pytest.mark.usefixtures("benchmarks")
def test_a_benchmark_that_fails_is_named_and_the_others_run(run, capfd):
    done = run("bench")
    assert done.exit_code == 1
    assert "1 of 2 benchmarks failed: bad" in done.stderr
    assert "ours theirs" in capfd.readouterr().out


@pytest.mark.usefixtures("benchmarks")
def test_an_unknown_benchmark_is_refused(run, monkeypatch, tmp_path):
    done = run("bench", "best")
    assert done.exit_code == 2
    assert "no benchmark best; there are: bad, good" in done.stderr
    monkeypatch.chdir(tmp_path / "bench/..")
    (tmp_path / "bench").rename(tmp_path / "other")
    assert "run this where bench/ is" in run("bench").stderr


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """A data set of 24 clips of 1 s, and the params.yaml of it."""
    project = tmp_path_factory.mktemp("demo")
    write(
        project / "set",
        truth=project / "truth.csv",
        seed=1,
        scenes=["bus", "park"],
        train_locations=2,
        test_locations=1,
        clips_per_location=1,
        seconds=1,
        width_px=64,
        height_px=48,
        fps=5,
        workers=1,
    )
    params = {
        "seed": 1,
        "index": {"root": "set", "watch": "set", "val_fraction": 0.1},
        "decode": {"seconds": 1},
    }
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    return project


def test_a_whole_data_set_passes(run, demo):
    done = run("data", "check", "--project", demo)
    assert done.exit_code == 0, done.stdout
    assert "set: whole, 6 clips" in done.stdout


def test_every_absent_and_damaged_file_is_listed(run, demo, tmp_path):
    root = shutil.copytree(demo / "set", tmp_path / "set")
    videos, sounds = (sorted((root / f).iterdir()) for f in ("video", "audio"))
    videos[0].unlink()
    videos[1].write_text("no film")
    content = videos[2].read_bytes()
    videos[2].write_bytes(content[: len(content) // 2])
    sounds[3].write_bytes(sounds[3].read_bytes()[:3000])
    done = run("data", "check", "--project", demo, "--root", root)
    assert done.exit_code == 1
    assert f"video/{videos[0].name}" in done.stdout.partition("damaged files (3)")[0]
    for path in (videos[1], videos[2], sounds[3]):
        assert path.name in done.stdout.partition("damaged files (3)")[2]
    assert "damaged files (3): delete them and fetch again" in done.stdout
    assert "1 faults of the listing, 3 damaged files" in done.stdout


def test_clips_of_another_length_than_declared_are_damaged(run, demo, tmp_path):
    params = yaml.safe_load((demo / "params.yaml").read_text())
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params | {"decode": {"seconds": 10}}))
    done = run("data", "check", "--project", tmp_path, "--root", demo / "set")
    assert done.exit_code == 1
    assert "damaged files (12)" in done.stdout
    assert "the pictures end here, expected one at 9.5 s" in done.stdout
    assert "the sound lasts 1.000 s, expected 10 s" in done.stdout


def test_a_folder_that_is_no_project_is_refused(run, tmp_path):
    done = run("data", "check", "--project", tmp_path)
    assert done.exit_code == 2
    assert "params.yaml" in done.stderr
