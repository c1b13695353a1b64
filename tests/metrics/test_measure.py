"""Evaluation of sample files: what is counted, what is written, what is refused."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from viddiff.errors import InputError
from viddiff.inference.plan import Plan, Stage
from viddiff.metrics.base import Descriptor, Metric, MetricSettings
from viddiff.metrics.base import descriptor as descriptors
from viddiff.metrics.base import metric as metrics
from viddiff.metrics.frechet import frechet_distance
from viddiff.metrics.measure import measure
from viddiff.metrics.measurement import measure_files
from viddiff.metrics.record import aggregate, summarise, write_measurement
from viddiff.metrics.statistics import standard_error
from viddiff.metrics.values import stages_of

VIDEOS, SAMPLES, LENGTH, OBSERVED = 3, 2, 7, 3
NAMES = ("psnr", "ssim")


class Tree:
    """An evaluation directory with samples: noisy copies of the test videos, observed frames kept."""

    def __init__(self, folder):
        rng = np.random.default_rng(0)
        self.folder = folder
        self.videos = rng.integers(0, 256, (VIDEOS, LENGTH, 3, 32, 32), dtype=np.uint8)
        (folder / "samples").mkdir()
        self.files = [
            [folder / "samples" / f"sample_{video:04d}-{i}.npy" for i in range(SAMPLES)]
            for video in range(VIDEOS)
        ]
        for video, row in zip(self.videos, self.files, strict=True):
            for path in row:
                sample = (video // 2 + rng.integers(0, 100, video.shape)).astype(np.uint8)
                sample[:OBSERVED] = video[:OBSERVED]
                np.save(path, sample)

    def measure_files(self, metrics=NAMES, **keywords):
        return measure_files(
            self.files, self.videos.__getitem__, OBSERVED, metrics, MetricSettings(**keywords)
        )

    def write(self, **keywords):
        pkl, path = self.folder / "metrics_3-2-7.pkl", self.folder / "metrics_3-2-7.json"
        write_measurement(self.measure_files(**keywords), pkl, path)
        return pkl, path


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def read_strictly(path):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_generated_frames_alone_count(tree):
    result = tree.measure_files()
    assert {name: values.shape for name, values in result.values.items()} == dict.fromkeys(NAMES, (3, 2, 4))
    assert np.isfinite(result.values["psnr"]).all(), "observed frames, which are equal, would be infinite"


def test_values_are_those_of_the_files(tree):
    values = tree.measure_files(["psnr"]).values["psnr"]
    for v, i, t in np.ndindex(values.shape):
        x, y = np.load(tree.files[v][i])[OBSERVED + t] / 255, tree.videos[v, OBSERVED + t] / 255
        assert values[v, i, t] == pytest.approx(
            np.mean(-10 * np.log10(((x - y) ** 2).mean((1, 2)))), abs=1e-9
        )


def test_goals_do_not_count(tree):
    for v, i in np.ndindex(VIDEOS, SAMPLES):
        sample = np.load(tree.files[v][i])
        sample[[4, 6]] = tree.videos[v][[4, 6]]
        np.save(tree.files[v][i], sample)
    whole = tree.measure_files().values["psnr"]
    arguments = (tree.files, tree.videos.__getitem__, OBSERVED, NAMES, MetricSettings())
    result = measure_files(*arguments, goals=[4, 6])
    assert np.isposinf(whole[..., [1, 3]]).all()
    np.testing.assert_array_equal(result.values["psnr"], whole[..., [0, 2]])
    pkl, path = tree.folder / "metrics.pkl", tree.folder / "metrics.json"
    write_measurement(result, pkl, path)
    assert read_strictly(path)["goals"] == [4, 6]
    assert read_strictly(path)["frames_counted"] == "3..6 but for 2 goals"
    with pytest.raises(InputError, match="made from another video: its 4 observed frames differ"):
        measure_files(*arguments, goals=[5])


def test_progress(tree):
    calls = []
    measure_files(
        tree.files, tree.videos.__getitem__, 0, ["psnr"], MetricSettings(), lambda *call: calls.append(call)
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_pickle_is_a_dict_of_arrays(tree):
    pkl, _ = tree.write()
    values = pickle.loads(pkl.read_bytes())
    assert set(values) == set(NAMES)
    assert all(type(array) is np.ndarray and array.dtype == np.float64 for array in values.values())


def test_json_holds_what_a_table_and_a_reader_need(tree, alexnet):
    of_any = [name for name in metrics.names() if not metrics.find(name).datasets]
    _, path = tree.write(metrics=of_any, alexnet=alexnet, ssim_data_range=2.0)
    content = read_strictly(path)
    assert (content["videos"], content["samples_per_video"], content["length"], content["obs_length"]) == (
        3,
        2,
        7,
        3,
    )
    assert content["frames_counted"] == "3..6" and content["device"].startswith("cpu (")
    assert list(content["samples"]) == sorted(f"samples/{file.name}" for row in tree.files for file in row)
    assert content["metrics"]["ssim"]["protocol"]["data_range"] == 2
    assert content["metrics"]["psnr"]["protocol"]["data_range"] == 1
    protocol = content["metrics"]["lpips"]["protocol"]
    assert len(protocol["weights_sha256"]) == 64 and protocol["weights_source"]
    for name, metric in content["metrics"].items():
        assert metric["higher_is_better"] == metrics.find(name).higher_is_better
        joint = metrics.find(name).joint
        assert len(metric["per_frame"]) == 4 and len(metric["per_sample"]) == (1 if joint else 2)
        assert metric["standard_error_videos"] > 0
        assert metric["standard_error_samples"] is None if joint else metric["standard_error_samples"] > 0


def test_json_is_strict_where_psnr_is_infinite(tree):
    sample = np.load(tree.files[0][0])
    sample[5] = tree.videos[0, 5]
    np.save(tree.files[0][0], sample)
    pkl, path = tree.write()
    assert np.isposinf(pickle.loads(pkl.read_bytes())["psnr"]).sum() == 1
    psnr = read_strictly(path)["metrics"]["psnr"]
    assert psnr["infinite"] == 1 and 0 < psnr["mean"] < 100


def test_standard_errors():
    values = np.arange(24.0).reshape(2, 3, 4) ** 2
    summary = summarise(values)
    assert summary["mean"] == values.mean()
    assert summary["standard_error_videos"] == pytest.approx(values.mean((1, 2)).std(ddof=1) / np.sqrt(2))
    within = values.mean(2).var(1, ddof=1).mean()
    assert summary["standard_error_samples"] == pytest.approx(np.sqrt(within / 6))
    assert summary["per_video"] == values.mean((1, 2)).tolist()
    frames = values.mean(1)
    assert summary["per_frame"] == pytest.approx(frames.mean(0), rel=1e-5)
    error = frames.std(0, ddof=1) / np.sqrt(2)
    assert summary["per_frame_standard_error_videos"] == pytest.approx(error, rel=1e-5)
    single = summarise(values[:1, :1])
    assert single["standard_error_videos"] is None and single["standard_error_samples"] is None
    assert single["per_frame_standard_error_videos"] is None and len(single["per_video"]) == 1


def broken(result):
    """A metric whose values are what a function makes of an array of zeros."""

    def compute(samples, truth, settings):
        return result(np.zeros((len(samples), len(truth))))

    return Metric(compute, lambda settings: {}, higher_is_better=True)


def fourth_of_second(value):
    def result(values):
        values[1, 3] = value
        return values

    return result


@pytest.mark.parametrize(("result", "message"), [
    (fourth_of_second(np.nan), r"metric ssim, .*sample_0000-1\.npy: of frame 6 it is nan, must be a finite number"),
    (fourth_of_second(np.inf), r"metric ssim, .*sample_0000-1\.npy: of frame 6 it is inf, must be a finite number"),
    (fourth_of_second(-np.inf), r"metric ssim, .*-1\.npy: of frame 6 it is -inf"),
    (lambda values: values[:, 1:], r"-0\.npy: its values are float64 \[2, 3\], must be float64 \[2, 4\]"),
    (lambda values: float(values.mean()), r"metric ssim, .*-0\.npy: its values are float, must be float64"),
    (lambda values: values.astype(np.float32), r"its values are float32 \[2, 4\], must be float64"),
])  # fmt: skip
def test_what_is_no_number_per_frame_is_named(tree, monkeypatch, result, message):
    monkeypatch.setitem(metrics._entries, "ssim", broken(result))
    with pytest.raises(InputError, match=message):
        tree.measure_files(["psnr", "ssim"])


def test_a_metric_that_cannot_measure_names_itself_and_the_video(tree, monkeypatch):
    def refuse(samples, truth, settings):
        raise InputError("frames are 8x8")

    monkeypatch.setitem(metrics._entries, "ssim", Metric(refuse, lambda settings: {}, higher_is_better=True))
    with pytest.raises(InputError, match=r"^metric ssim, test video 0: frames are 8x8$"):
        tree.measure_files(["ssim"])


class Hostile:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize(("damage", "message"), [
    (lambda path, sample: path.unlink(), "cannot be read"),
    (lambda path, sample: path.write_bytes(b""), "cannot be read"),
    (lambda path, sample: path.write_bytes(path.read_bytes()[:200]), "cannot be read"),
    (lambda path, sample: path.write_bytes(path.read_bytes()[:60]), "cannot be read"),
    (lambda path, sample: np.save(path, np.array([Hostile()]), allow_pickle=True), "cannot be read"),
    (lambda path, sample: path.write_bytes(pickle.dumps(Hostile())), "cannot be read"),
    (lambda path, sample: np.savez(path.open("wb"), sample=sample), "not an archive"),
    (lambda path, sample: np.save(path, sample[:-1]), r"is uint8 \[6, 3, 32, 32\], expected .*\[7, 3"),
    (lambda path, sample: np.save(path, sample.astype(np.float32)), r"is float32 \[7"),
    (lambda path, sample: np.save(path, sample.transpose(0, 2, 3, 1)), r"is uint8 \[7, 32, 32, 3\]"),
    (lambda path, sample: np.save(path, sample[::-1]), "made from another video"),
])  # fmt: skip
def test_bad_samples_are_named(tree, capfd, damage, message):
    path = tree.files[1][1]
    damage(path, np.load(path))
    with pytest.raises(InputError, match=message) as caught:
        tree.measure_files()
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert capfd.readouterr().out == ""


def test_the_originals_lower_grey_levels_pass(tree):
    sample = np.load(tree.files[0][0])
    sample[:OBSERVED] -= sample[:OBSERVED] > 0
    np.save(tree.files[0][0], sample)
    tree.measure_files()


def test_bad_arguments(tree):
    videos = tree.videos.__getitem__
    with pytest.raises(InputError, match=r"obs_length is 7.*0\.\.6"):
        measure_files(tree.files, videos, LENGTH, NAMES, MetricSettings())
    with pytest.raises(InputError, match=r"same number of samples, found \[2, 1\]"):
        measure_files([tree.files[0], tree.files[1][:1]], videos, 0, NAMES, MetricSettings())
    with pytest.raises(InputError, match="same number of samples"):
        measure_files([], videos, 0, NAMES, MetricSettings())
    with pytest.raises(InputError, match="metric 'fid' is unknown"):
        measure_files(tree.files, videos, 0, ["fid"], MetricSettings())
    with pytest.raises(InputError, match="test video 1"):
        measure_files(tree.files, lambda i: tree.videos[i][: LENGTH - i], 0, NAMES, MetricSettings())


def mean_rows(videos, obs_length, settings):
    """The mean of each generated frame: a descriptor that costs nothing."""
    return videos[:, obs_length:].mean((2, 3, 4), dtype=np.float64)


@pytest.fixture
def cheap(monkeypatch):
    """FVD and its kin on the means of frames, `i3d` and its windows being far too slow here."""
    descriptors.find("i3d")  # else it is found later
    entries = {
        name: Descriptor(mean_rows, lambda settings: {"features": "mean of each frame"}, fewest_frames=5)
        for name in ("i3d", "i3d-windows")
    }
    for name, entry in entries.items():
        monkeypatch.setitem(descriptors._entries, name, entry)


def test_metrics_of_sets_are_measured_beside_those_of_frames(tree, cheap):
    result = tree.measure_files(["psnr", "fvd", "kvd"])
    rows = result.rows["i3d"]
    assert list(result.values) == ["psnr"] and rows.samples.shape == (3, 2, 4)
    np.testing.assert_array_equal(rows.truth, mean_rows(tree.videos, OBSERVED, None))
    for i in range(SAMPLES):
        videos = np.stack([np.load(row[i]) for row in tree.files])
        expected = frechet_distance(mean_rows(videos, OBSERVED, None), rows.truth)
        assert result.sets["fvd"].per_sample[i] == expected > 0


def test_the_record_of_a_metric_of_sets(tree, cheap):
    pkl, path = tree.folder / "metrics_3-2-7.pkl", tree.folder / "metrics_3-2-7.json"
    result = tree.measure_files(["psnr", "fvd"])
    made = write_measurement(result, pkl, path, {"fvd": {"mean": 3.0}})
    assert made == [pkl, path, path.with_suffix(".npz")]
    values = pickle.loads(pkl.read_bytes())
    assert values["psnr"].shape == (3, 2, 4) and values["fvd"].shape == (2,)
    with np.load(made[-1], allow_pickle=False) as rows:
        np.testing.assert_array_equal(rows["i3d.truth"], result.rows["i3d"].truth)
        np.testing.assert_array_equal(rows["i3d.samples"], result.rows["i3d"].samples)
    fvd = read_strictly(path)["metrics"]["fvd"]
    assert fvd["mean"] == values["fvd"].mean() and fvd["per_sample"] == values["fvd"].tolist()
    assert fvd["standard_error_videos"] == pytest.approx(np.std(fvd["pseudo_values"], ddof=1) / np.sqrt(3))
    assert fvd["standard_error_samples"] > 0 and fvd["floor"] == {"mean": 3.0}
    assert fvd["warnings"] == ["3 videos: with fewer than 256, fvd is mostly bias: read it beside its floor"]
    assert (fvd["better"], fvd["higher_is_better"]) == ("lower", False)
    assert {"features", "covariance", "distance"} <= set(fvd["protocol"])


def rows_of(change):
    """A descriptor whose rows of the second video's files are changed."""

    def compute(videos, obs_length, settings):
        return change(mean_rows(videos, obs_length, settings))

    return Descriptor(compute, lambda settings: {}, fewest_frames=7)


def third_is_nan(rows):
    rows[2, 1] = np.nan
    return rows


@pytest.mark.parametrize(("change", "message"), [
    (third_is_nan, r"^metric fvd, test video 0: .*sample_0000-1\.npy: i3d gives a number that is not finite$"),
    (lambda rows: rows[:, 0], r"^metric fvd, test video 0: the rows of i3d are \[3\], must be \[3, D\]$"),
    (lambda rows: rows[1:], r"^metric fvd, test video 0: the rows of i3d are \[2, 4\], must be \[3, D\]$"),
])  # fmt: skip
def test_what_are_no_rows_names_metric_and_file(tree, cheap, monkeypatch, types_unchecked, change, message):
    monkeypatch.setitem(descriptors._entries, "i3d", rows_of(change))
    with pytest.raises(InputError, match=message):
        tree.measure_files(["fvd"])


def test_short_videos_and_few_samples_are_refused(tree, cheap, monkeypatch):
    monkeypatch.setitem(descriptors._entries, "i3d", Descriptor(mean_rows, lambda s: {}, fewest_frames=9))
    with pytest.raises(
        InputError, match=r"^metric fvd, test video 0: videos have 7 frames, must have 9 or more$"
    ):
        tree.measure_files(["fvd"])
    arguments = (tree.videos.__getitem__, OBSERVED, ["psnr", "fvd"], MetricSettings())
    with pytest.raises(InputError, match=r"^metric fvd needs 2 videos or more, found 1$"):
        measure_files(tree.files[:1], *arguments)
    one = [row[:1] for row in tree.files]
    with pytest.raises(InputError, match=r"^metric crps needs 2 samples of each video or more, found 1$"):
        measure_files(one, tree.videos.__getitem__, OBSERVED, ["crps"], MetricSettings())


def test_arrays_have_metrics_of_sets_too(tree, cheap):
    videos = np.stack([np.load(row[0]) for row in tree.files])
    plan = Plan(LENGTH, OBSERVED, (Stage((0, 1, 2), (3, 4, 5, 6)),))
    rows = [mean_rows(each, OBSERVED, None) for each in (videos, tree.videos)]
    assert measure("fvd", videos, tree.videos, plan=plan, device="cpu") == frechet_distance(*rows)
    with pytest.raises(
        InputError, match=r"samples are \[2, 7, 3, 32, 32\], the truth is \[3, 7, 3, 32, 32\]"
    ):
        measure("fvd", videos[:2], tree.videos)
    longer = Plan(LENGTH + 1, OBSERVED, (Stage((0, 1, 2), (3, 4, 5, 6, 7)),))
    with pytest.raises(InputError, match=r"metric fvd: the plan has 8 frames, the videos have 7"):
        measure("fvd", videos, tree.videos, plan=longer)
    with pytest.raises(InputError, match=r"truth is uint8 \[7, 3, 32, 32\], must be uint8 \[V, T, C, H, W\]"):
        measure("fvd", videos, tree.videos[0])


def test_stages_are_those_that_make_frames_last():
    plan = Plan(6, 1, (Stage((0,), (2, 4)), Stage((0, 2), (1, 3)), Stage((1,), (2,))), goals=(5,))
    assert stages_of(plan, 6) == (-1, 1, 2, 1, 0, -1) and stages_of(plan, 3) == (-1, 1, 2)


def test_aggregates_are_of_several_samples_of_which_some_are_better():
    values = np.arange(12.0).reshape(2, 2, 3)
    assert summarise(values)["aggregates"]["best"]["mean"] == 7.0
    assert (
        summarise(values[:, :1])["aggregates"] == {} == summarise(values, higher_is_better=None)["aggregates"]
    )


def test_aggregates_of_samples():
    samples = np.array([[1.0, 2.0], [5.0, 3.0], [4.0, 4.5]])
    found = aggregate(samples, True)
    assert found["best"] == {"mean": 11.5 / 3, "standard_error_videos": standard_error(np.array([2, 5, 4.5]))}
    assert found["best_on_average"]["mean"] == 10 / 3 and found["mean"]["mean"] == pytest.approx(19.5 / 6)
    lower = aggregate(samples, False)
    assert lower["best"]["mean"] == 8 / 3 and lower["best_on_average"]["mean"] == 9.5 / 3
