from __future__ import annotations

from dataclasses import replace

import imageio.v3 as iio
import numpy as np
import pytest

from viddiff.errors import InputError, OutputError
from viddiff.inference.plan import Plan, Stage
from viddiff.render import contact_sheet, draw_frame_curves, draw_plan, draw_plans, write_gif
from viddiff.render import pages as pages_module
from viddiff.render import plan as plan_module
from viddiff.render import sheet as sheet_module
from viddiff.render.canvas import EMPTY, GENERATED, OBSERVED, as_rgb, enlarge
from viddiff.render.cells import level_cell, level_colour
from viddiff.render.plan import COLOURS, Cell, cell_size, plan_cells
from viddiff.render.plans import Panel, panel_cell_size
from viddiff.render.sheet import sheet_columns

BORDER = pages_module.BORDER


def discs(length: int = 12, size: int = 32, *, colour: bool = False, seed: int = 0) -> np.ndarray:
    """A smooth disc that crosses the frame; uint8 `[T, C, H, W]`, C 1, or 3 and noisy."""
    generator = np.random.default_rng(seed)
    start, end = generator.uniform(0.2 * size, 0.8 * size, (2, 2))
    y, x = np.mgrid[:size, :size]
    centres = np.linspace(start, end, length)
    distance = np.stack([np.hypot(y - cy, x - cx) for cy, cx in centres])
    grey = np.clip(255 * (size / 5 - distance) / 3, 0, 255)[:, None]
    if not colour:
        return grey.astype(np.uint8)
    tint = np.array([1.0, 0.6, 0.2])[:, None, None]
    return np.clip(grey * tint + generator.uniform(0, 60, (length, 3, size, size)), 0, 255).astype(np.uint8)


def read_gif(path) -> np.ndarray:
    return iio.imread(path, index=None)


def inner(pages: np.ndarray, size: int) -> np.ndarray:
    return pages[:, BORDER : BORDER + size, BORDER : BORDER + size]


def enlarged(frames: np.ndarray, scale: int) -> np.ndarray:
    return np.stack([enlarge(image, scale) for image in as_rgb(frames, "frames")])


# GIFs


@pytest.mark.parametrize("channels", [1, 3])
def test_gif_of_grey_frames_is_exact(tmp_path, channels):
    frames = discs().repeat(channels, axis=1)
    write_gif(tmp_path / "a.gif", frames, 4)
    pages = read_gif(tmp_path / "a.gif")
    assert len(pages) == len(frames) + 1
    assert np.array_equal(inner(pages[:-1], 128), enlarged(frames, 4))
    assert (inner(pages[-1:], 128) == EMPTY).all()


def test_gif_marks_observed_frames_alone(tmp_path):
    frames = discs(6)
    observed = [True, False, False, True, True, False]
    write_gif(tmp_path / "a.gif", frames, observed, scale=2)
    pages = read_gif(tmp_path / "a.gif")
    for page, flag in zip(pages, [*observed, False], strict=True):
        ring = page[: 64 + 2 * BORDER].copy()
        ring[BORDER : BORDER + 64, BORDER : BORDER + 64] = OBSERVED
        assert (ring == OBSERVED).all() == flag
        assert flag or not (page[:BORDER] == OBSERVED).all(-1).any()


def test_gif_of_colour_frames_is_near(tmp_path):
    frames = discs(4, 64, colour=True)
    write_gif(tmp_path / "a.gif", frames, 1)
    error = np.abs(inner(read_gif(tmp_path / "a.gif")[:-1], 128).astype(int) - enlarged(frames, 2))
    assert error.max() <= 24
    assert error.mean() < 5
    signed = inner(read_gif(tmp_path / "a.gif")[:-1], 128).astype(int) - enlarged(frames, 2)
    assert np.abs(signed.mean((0, 1, 2))).max() < 1.5  # no channel is shifted


def test_gif_with_every_grey_level_is_near(tmp_path):
    frames = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    write_gif(tmp_path / "a.gif", frames, 0)
    error = np.abs(inner(read_gif(tmp_path / "a.gif")[:1], 128).astype(int) - enlarged(frames, 8))
    assert error.max() <= 2


def test_gif_keeps_frames_that_do_not_move(tmp_path):
    write_gif(tmp_path / "a.gif", np.full((300, 1, 8, 8), 90, np.uint8), 20)
    pages = read_gif(tmp_path / "a.gif")
    assert len(pages) == 301
    assert (inner(pages[:-1], 128) == 90).all()


def test_gif_progress_bar_grows(tmp_path):
    write_gif(tmp_path / "a.gif", discs(8), 2)
    line = read_gif(tmp_path / "a.gif")[:, 128 + 2 * BORDER + 3, BORDER : BORDER + 128]
    observed, generated = ((line == colour).all(-1).sum(1) for colour in (OBSERVED, GENERATED))
    assert observed.tolist() == [16, *[32] * 8]
    assert generated.tolist() == [0, 0, 16, 32, 48, 64, 80, 96, 96]


def test_gif_durations(tmp_path):
    write_gif(tmp_path / "a.gif", discs(5), 2, fps=12.5)
    durations = [iio.immeta(tmp_path / "a.gif", index=index)["duration"] for index in range(6)]
    assert durations == [80] * 4 + [700, 500]


@pytest.mark.parametrize(
    ("frames", "observed", "options", "message"),
    [
        (np.zeros((4, 1, 8, 8)), 1, {}, "float64"),
        (np.zeros((4, 8, 8), np.uint8), 1, {}, r"\[4, 8, 8\]"),
        (np.zeros((4, 2, 8, 8), np.uint8), 1, {}, "C 1 or 3"),
        (np.zeros((0, 1, 8, 8), np.uint8), 0, {}, "C 1 or 3"),
        (np.zeros((4, 1, 8, 8), np.uint8), 5, {}, "observed is 5"),
        (np.zeros((4, 1, 8, 8), np.uint8), [True] * 3, {}, "3 entries"),
        (np.zeros((4, 1, 8, 8), np.uint8), 1, {"fps": 0}, "fps is 0"),
        (np.zeros((4, 1, 8, 8), np.uint8), 1, {"scale": 0}, "scale is 0"),
    ],
)
def test_gif_refuses(tmp_path, frames, observed, options, message):
    with pytest.raises(InputError, match=message):
        write_gif(tmp_path / "a.gif", frames, observed, **options)
    assert not list(tmp_path.iterdir())


# Contact sheets


def test_sheet_shows_every_frame_where_it_should(tmp_path):
    truth = {3: discs(20, 16, seed=3), 7: discs(20, 16, seed=7)}
    samples = {mode: {v: 255 - f[:12] for v, f in truth.items()} for mode in ("autoreg_4_2_12_5", "b")}
    contact_sheet(tmp_path / "a.png", truth, samples, 5, columns=6, scale=2)
    sheet = iio.imread(tmp_path / "a.png")
    shown = sheet_columns(12, 5, 6)
    assert shown == [0, 4, 5, 7, 9, 11]

    cell = 32 + 2 * sheet_module.BORDER
    tops = rows_of_borders(sheet, cell)
    assert len(tops) == 6
    left = np.flatnonzero((sheet[tops[0]] == OBSERVED).all(-1))[0]
    lefts = [left + i * (cell + sheet_module._GAP) + (sheet_module._SPLIT if i > 1 else 0) for i in range(6)]
    videos = [truth[3], samples["b"][3], samples["b"][3], truth[7], samples["b"][7], samples["b"][7]]
    for top, frames in zip(tops, videos, strict=True):
        for left, index in zip(lefts, shown, strict=True):
            tile = sheet[top : top + cell, left : left + cell]
            border = sheet_module.BORDER
            assert np.array_equal(tile[border:-border, border:-border], enlarged(frames[[index]], 2)[0])
            assert (tile[:border] == (OBSERVED if index < 5 else (255, 255, 255))).all()
    assert sheet.shape == (
        tops[-1] + cell + sheet_module._MARGIN,
        lefts[-1] + cell + sheet_module._MARGIN,
        3,
    )


def test_sheet_marks_goals_in_the_rows_of_their_modes(tmp_path):
    truth = {0: np.zeros((12, 1, 16, 16), np.uint8)}
    goals = {"a": (10, 11), "b": (11,), "c": ()}
    contact_sheet(tmp_path / "a.png", truth, dict.fromkeys("abc", truth), 3, goals=goals, columns=6, scale=1)
    sheet = iio.imread(tmp_path / "a.png")
    assert sheet_columns(12, 3, 6, (10, 11)) == [0, 2, 3, 9, 10, 11]
    border, cell = sheet_module.BORDER, 16 + 2 * sheet_module.BORDER
    marked = []
    for top in rows_of_borders(sheet, cell):
        line = np.flatnonzero((sheet[top + border + 1] == OBSERVED).all(-1))
        marked.append(len(line) / (2 * border))
    assert marked == [4, 4, 3, 2]  # ground truth, a, b, c
    header = (sheet[sheet_module._MARGIN + 20] == OBSERVED).all(-1)
    assert header.sum() == 2 * (2 * cell + sheet_module._GAP)  # above the observed frames, and the goals


def rows_of_borders(sheet: np.ndarray, cell: int) -> list[int]:
    """The upper edges of the rows of frames, found by the observed frames' borders."""
    wide = (sheet == OBSERVED).all(-1).sum(1) >= 2 * cell
    edges = np.flatnonzero(wide & ~np.roll(wide, 1))
    return edges[1::2].tolist() if len(edges) % 2 else edges[::2].tolist()


def test_sheet_without_observed_frames(tmp_path):
    truth = {0: discs(9)}
    contact_sheet(tmp_path / "a.png", truth, {"m": truth}, 0, columns=3)
    assert not (iio.imread(tmp_path / "a.png") == OBSERVED).all(-1).any()


@pytest.mark.parametrize(
    ("length", "n_obs", "columns", "expected"),
    [
        (60, 10, 7, [0, 9, 10, 22, 34, 47, 59]),
        (60, 1, 3, [0, 1, 59]),
        (60, 0, 3, [0, 30, 59]),
        (5, 2, 12, [0, 1, 2, 3, 4]),
        (3, 2, 4, [0, 1, 2]),
    ],
)
def test_sheet_columns(length, n_obs, columns, expected):
    assert sheet_columns(length, n_obs, columns) == expected


@pytest.mark.parametrize(
    ("columns", "goals", "expected"),
    [
        (7, (55, 56, 57, 58, 59), [0, 9, 10, 32, 54, 55, 59]),
        (6, (59,), [0, 9, 10, 34, 58, 59]),
        (8, (20, 40), [0, 9, 10, 20, 27, 40, 43, 59]),
    ],
)
def test_sheet_columns_with_goals(columns, goals, expected):
    assert sheet_columns(60, 10, columns, goals) == expected


def test_sheet_columns_need_a_generated_frame():
    with pytest.raises(InputError, match="one at least must be generated"):
        sheet_columns(4, 2, 12, (2, 3))


def test_sheet_refuses(tmp_path):
    truth, short = {0: discs(9), 1: discs(9)}, {0: discs(9), 1: discs(8)}
    for samples, n_obs, message in [
        ({}, 2, "at least one video and one mode"),
        ({"m": {0: truth[0]}}, 2, "m: no sample of video 1"),
        ({"m": short}, 2, "m: sample of video 1: 8 frames; m has 9"),
        ({"m": {0: discs(10), 1: discs(10)}}, 2, "video 0: 9 frames; m has 10"),
        (
            {"m": truth, "n": {0: discs(9, 16), 1: discs(9, 16)}},
            2,
            r"n: sample of video 0: frames are \[16, 16\]",
        ),
        ({"m": truth}, 9, "n_obs is 9; allowed is 0 to 8"),
    ]:
        with pytest.raises(InputError, match=message):
            contact_sheet(tmp_path / "a.png", truth, samples, n_obs)
    with pytest.raises(InputError, match="columns is 3; allowed is 4"):
        contact_sheet(tmp_path / "a.png", truth, {"m": truth}, 2, columns=3)
    assert not list(tmp_path.iterdir())


# Plans

PLAN = Plan(8, 3, (Stage((1, 2), (5, 7)), Stage((2, 5), (3, 4)), Stage((4, 7), (6,), n_select=1)))


def test_plan_cells():
    assert plan_cells(PLAN).tolist() == [
        [1, 2, 2, 0, 0, 3, 0, 3],
        [1, 1, 2, 3, 3, 2, 0, 1],
        [1, 1, 1, 1, 2, 1, 3, 2],
    ]


def test_plan_picture_has_the_colours_of_its_cells(tmp_path):
    draw_plan(tmp_path / "a.png", PLAN, title="m_5_2_8_3", facts=["3 stages", "6 evaluations"])
    picture = iio.imread(tmp_path / "a.png")[..., :3]
    width, height = cell_size(3, 8)
    top = plan_module._TOP + 2 * plan_module._LINE
    cells = picture[top:][: 3 * height, plan_module._LEFT :][:, : 8 * width]
    cells = cells.reshape(3, height, 8, width, 3)
    for (row, column), cell in np.ndenumerate(plan_cells(PLAN)):
        assert (cells[row, :-1, column] == COLOURS[Cell(cell)]).all()


def test_plan_picture_of_a_long_video_shows_single_frames(tmp_path):
    stages = [Stage((first - 1, 0), tuple(range(first, first + 10))) for first in range(10, 1000, 10)]
    draw_plan(tmp_path / "a.png", Plan(1000, 10, tuple(stages)), title="long")
    picture = iio.imread(tmp_path / "a.png")[..., :3]
    width, height = cell_size(99, 1000)
    assert (width, height) == (2, 7)
    blue = (picture == COLOURS[Cell.LATENT]).all(-1)
    legend = blue[: plan_module._TOP].sum()
    assert blue.sum() - legend == 990 * width * (height - 1)


def test_frames_chosen_at_run_time_have_a_colour_of_their_own(tmp_path):
    executed = Plan(8, 3, (*PLAN.stages[:2], Stage((4, 7, 1), (6,))))
    cells = plan_cells(executed, planned=PLAN)
    assert cells[2].tolist() == [1, 4, 1, 1, 2, 1, 3, 2]
    assert np.array_equal(cells[:2], plan_cells(PLAN)[:2])
    colours = {}
    for name, planned in (("known", PLAN), ("none", None)):
        draw_plan(tmp_path / f"{name}.png", executed, title="m", planned=planned)
        picture = iio.imread(tmp_path / f"{name}.png")[..., :3]
        colours[name] = (picture == COLOURS[Cell.CHOSEN]).all(-1).any()
    assert colours == {"known": True, "none": False}


def test_frames_of_a_second_checkpoint_have_a_colour_of_their_own(tmp_path):
    plain = Plan(5, 1, (Stage((0,), (4,)), Stage((0, 4), (1, 2, 3))))
    stages = (plain.stages[0], replace(plain.stages[1], second=True))
    mixed = replace(plain, stages=stages, second_checkpoint="gaps/model_000001")
    assert plan_cells(mixed).tolist() == [[2, 0, 0, 0, 3], [2, 5, 5, 5, 2]]
    colours = {}
    for name, plan in (("plain", plain), ("mixed", mixed)):
        draw_plan(tmp_path / f"{name}.png", plan, title="m")
        draw_plans(tmp_path / f"{name}s.png", [Panel("m", plan, "facts")])
        for file in (name, f"{name}s"):
            picture = iio.imread(tmp_path / f"{file}.png")[..., :3]
            colours[file] = (picture == COLOURS[Cell.BY_SECOND]).all(-1).any()
            assert (picture[:, -5:] == 255).all()  # the legend is not cut off
    assert colours == {"plain": False, "plains": False, "mixed": True, "mixeds": True}


def test_goals_are_known_from_the_start_and_frames_can_be_made_again():
    plan = Plan(5, 1, (Stage((0, 4), (1, 2, 3)), Stage((1, 3), (2,))), (4,))
    assert plan_cells(plan).tolist() == [[2, 3, 3, 3, 2], [1, 2, 3, 2, 1]]


def test_steps_are_a_matrix_of_frames_and_iterations_in_the_colours_of_levels(tmp_path):
    steps = (
        Stage((0,), (1, 2), 0, 2, (2, 2), (1, 2)),
        Stage((0,), (4,), 0, 2, (2,), (0,)),  # in the same wave
        Stage((0,), (1, 2), 0, 2, (1, 2), (0, 1)),
        Stage((0, 1), (2,), 0, 2, (1,), (0,)),
        Stage((), (3,)),
    )
    plan = Plan(5, 1, steps)
    plan.check(3)
    noise, half, clean = (level_cell(level, 2) for level in (2, 1, 0))
    assert plan_cells(plan).tolist() == [
        [Cell.OBSERVED, half, noise, Cell.LATENT, clean],
        [Cell.OBSERVED, clean, half, Cell.KNOWN, Cell.KNOWN],
        [Cell.OBSERVED, Cell.OBSERVED, clean, Cell.KNOWN, Cell.KNOWN],
    ]
    draw_plan(tmp_path / "a.png", plan, title="m_5_2_8_3", facts=["4 steps"])
    draw_plans(tmp_path / "b.png", [Panel("m", plan, "4 steps"), Panel("n", PLAN, "3 stages")])
    picture = iio.imread(tmp_path / "a.png")[..., :3]
    for noise in (0.0, 0.5, 1.0):
        assert (picture == level_colour(noise)).all(axis=-1).sum() > 100


def test_a_pixel_of_many_cells_shows_what_matters_most():
    stages = tuple(Stage((frame - 1,), (frame,)) for frame in range(1, 12))
    cells, few = plan_cells(Plan(12, 1, stages)), plan_cells(Plan(12, 1, stages), most=5)
    assert cells.shape == (11, 12) and few.shape == (4, 4)
    for (row, column), cell in np.ndenumerate(few):
        assert cell == cells[3 * row : 3 * row + 3, 3 * column : 3 * column + 3].max()


@pytest.mark.parametrize("count", [1, 2, 7])
def test_all_plans_are_in_one_picture(tmp_path, count):
    plans = [PLAN, Plan(1500, 1, tuple(Stage((0,), (frame,)) for frame in range(1, 1500)))]
    panels = [Panel(f"m{number}_5_2_8_3", plans[number == 1], "3 stages") for number in range(count)]
    draw_plans(tmp_path / "a.png", panels)
    picture = iio.imread(tmp_path / "a.png")[..., :3]
    width, height = panel_cell_size(3, 8)
    size = width * (height - 1)  # without the line between stages
    small = count - (count > 1)
    # The legend and the long plan have this colour too; the long plan's observed frame is one column.
    observed = (picture == OBSERVED).all(-1).sum()
    shown = sum(len(stage.observed) for stage in PLAN.stages) * size
    assert small * shown < observed < (small + 1) * shown
    assert picture.shape[1] < 3000


def test_no_plans_are_refused(tmp_path):
    with pytest.raises(InputError, match="no plans"):
        draw_plans(tmp_path / "a.png", [])


# Curves


def test_frame_curves(tmp_path):
    curves = {"autoreg_4_2_12_5": [30.0, 20.0, np.inf], "b": [25.0]}
    for n_obs in (0, 5):
        draw_frame_curves(tmp_path / "a.png", curves, "PSNR", n_obs)
        assert iio.imread(tmp_path / "a.png").std() > 0
    draw_frame_curves(tmp_path / "b.png", curves, "PSNR", 5, {"autoreg_4_2_12_5": [5.0, 5.0, 1.0]})
    assert not np.array_equal(iio.imread(tmp_path / "a.png"), iio.imread(tmp_path / "b.png"))
    for wrong, message in (({}, "no modes"), ({"m": []}, "m: SSIM has shape")):
        with pytest.raises(InputError, match=message):
            draw_frame_curves(tmp_path / "a.png", wrong, "SSIM", 5)


def test_pictures_are_written_whole_or_not_at_all(tmp_path):
    (tmp_path / "file").write_text("in the way")
    videos = {0: discs(5)}
    for draw in (
        lambda path: write_gif(path, videos[0], 2),
        lambda path: contact_sheet(path, videos, {"m": videos}, 2),
        lambda path: draw_plan(path, PLAN, title="m"),
        lambda path: draw_plans(path, [Panel("m", PLAN, "")]),
        lambda path: draw_frame_curves(path, {"m": [1.0]}, "PSNR", 2),
    ):
        with pytest.raises(OutputError, match="cannot write"):
            draw(tmp_path / "file" / "picture")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
