"""The page in a browser, without a network: one browser for all tests of this file."""

import re
import shutil
from pathlib import Path

import page_tree
import pytest
from page_tree import LENGTH, MODES, OBSERVED
from playwright.sync_api import expect, sync_playwright

from viddiff.render.pages import FPS
from viddiff.report.page.content import Pair
from viddiff.report.page.pairs import findings

HOSTILE = "</script><img src=x onerror=hacked=1>\u2028<b onclick=hacked=1>%{y} {{ 7*7 }}"
expect.set_options(timeout=20_000)  # of a busy machine
STYLE = Path(page_tree.__file__).parents[2] / "viddiff/report/page/files/page.css"


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium")
    assert program, "needs Debian's chromium: tests/report/install_chromium.sh"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("page")
    return page_tree.make(root, page_tree.write_tree(root))


@pytest.fixture
def visit(browser):
    """Opens a page. Afterwards nothing may have been asked for but files, nor anything been wrong."""
    wrong, opened = [], []

    def open_page(index: Path, **settings):
        page = browser.new_page(**settings)
        opened.append(page)
        page.requests = []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("requestfailed", lambda request: wrong.append(f"no {request.url}"))
        page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append("a dialog"))
        page.goto(index.as_uri())
        return page

    yield open_page
    outside = [
        url for page in opened for url in page.requests if not url.startswith(("file:", "data:", "blob:"))
    ]
    for page in opened:
        page.close()
    assert outside == [] and wrong == []


def files(page, suffix: str) -> list[str]:
    return [url for url in page.requests if url.endswith(suffix)]


def player(page, number: int = 0):
    found = page.locator(".player").nth(number)
    found.scroll_into_view_if_needed()
    return found


def times(found) -> list[float]:
    return found.evaluate("found => [...found.querySelectorAll('video')].map(video => video.currentTime)")


def test_each_column_sorts_both_ways(visit, index):
    page = visit(index)
    sorted_columns = page.evaluate("""() => [...document.querySelectorAll("button.sort")].flatMap((button) => {
        const [heading, table] = [button.closest("th"), button.closest("table")];
        return [1, 2].map(() => {
            button.click();
            const marked = table.querySelectorAll("th:not([aria-sort=none])[aria-sort]").length;
            const texts = [...table.tBodies[0].rows].map((row) => row.cells[heading.cellIndex].dataset.sort);
            return [heading.ariaSort, marked, texts];
        });
    })""")
    assert len(sorted_columns) == 2 * (4 + 6 + 8)
    assert {order for order, _, _ in sorted_columns} == {"ascending", "descending"}
    for order, marked, texts in sorted_columns:
        assert marked == 1
        told = [text for text in texts if text]
        assert texts[len(told) :] == [""] * (len(texts) - len(told))  # what is missing comes last
        key = float if re.fullmatch(r"[-0-9.e]+", told[0]) else str
        assert told == sorted(told, key=key, reverse=order == "descending")


def test_numbers_are_shown_with_intervals_floors_truth_and_warnings(visit, index):
    page = visit(index)
    row = page.locator(".comparison tbody tr").first
    cells = row.locator("td")
    assert "20.00 ± 0.50" in cells.nth(0).inner_text()
    assert cells.nth(0).locator("svg").get_attribute("aria-label") == "95 % interval 13.65 to 26.35"
    assert "floor 212 ± 13" in cells.nth(1).inner_text()
    assert "truth 1.020 ± 0.010" in cells.nth(2).inner_text()
    cells.nth(1).get_by_role("link").click()
    assert page.url.endswith("#note-1")
    expect(page.locator("#note-1")).to_contain_text("8 videos are few")
    # The best: of higher, lower, and near the truth.
    best = page.locator(".comparison td span.best")
    assert best.evaluate_all("found => found.map(one => one.closest('tr').rowIndex)") == [3, 3, 3]


def test_what_the_tests_tell_stands_above_the_table_and_what_metrics_are_below(visit, index):
    page = visit(index)
    expect(page.locator(".findings")).to_contain_text("None of the 6 tests of two modes shows a difference.")
    page.get_by_text("What each metric is").click()
    expect(page.locator(".meanings")).to_contain_text("videos jump where a stage begins")


def test_findings():
    def pair(metric, verdict, p_holm=0.01):
        return Pair(metric, "one", "other", 1.0, None, 0.01, p_holm, verdict)

    better, few, none = "one is better", "too few videos to tell: p cannot", "no difference shown"
    assert findings([pair("psnr", better), pair("fvd", better), pair("seam", "not compared: x", None)]) == [
        "Of one and other, one is better: psnr, fvd."
    ]
    assert findings([pair("psnr", better), pair("fvd", none), pair("kvd", few)])[1] == (
        "2 of 3 tests of two modes show no difference; in 1 of them there are too few videos to tell."
    )
    assert findings([pair("psnr", few), pair("fvd", few)]) == [
        "None of the 2 tests of two modes shows a difference; there are too few videos to tell."
    ]
    assert findings([pair("psnr", "one video: no test", None)]) == []


def test_a_narrow_page_is_not_wider_than_the_window(visit, index):
    page = visit(index, viewport={"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_pairs_of_one_metric_are_shown_at_a_time(visit, index):
    page = visit(index)
    assert page.locator(".pairs tbody tr:visible").count() == 3
    page.get_by_label("Metric").select_option("seam")
    assert page.locator(".pairs tbody tr:visible").all_inner_texts()[0].endswith("not measured alike")


def test_curves_are_drawn_when_they_come_into_view_and_follow_the_colours_of_the_page(visit, index):
    page = visit(index, color_scheme="dark", viewport={"width": 900, "height": 200})
    assert not files(page, "plotly.min.js")
    plots = page.locator(".plot")
    for number, name in enumerate(("psnr", "seam")):
        plots.nth(number).scroll_into_view_if_needed()
        expect(plots.nth(number).locator(".main-svg").first).to_be_visible()
        expect(plots.nth(number).locator(".legendtext").first).to_have_text("autoreg")
        assert name in plots.nth(number).locator(".ytitle").text_content().lower()
    expect(plots.nth(1).locator(".legendtext").last).to_have_text("truth")

    def paper() -> list[str]:
        return [
            page.evaluate("getComputedStyle(document.body).backgroundColor"),
            plots.nth(1).evaluate(
                "plot => getComputedStyle(plot.querySelector('.main-svg')).backgroundColor"
            ),
        ]

    assert paper() == ["rgb(27, 30, 34)"] * 2
    page.emulate_media(color_scheme="light")
    expect(plots.nth(1)).to_have_attribute("data-drawn", "light")
    assert paper() == ["rgb(255, 255, 255)"] * 2


def test_videos_are_loaded_when_asked_for_and_play_in_step(visit, index):
    page = visit(index)
    found = player(page)
    expect(found.locator("img").first).to_be_visible()
    assert files(page, ".mp4") == []
    found.get_by_role("button", name="Play").click()
    expect(found).to_have_attribute("data-state", "playing")
    assert len(files(page, ".mp4")) == 1 + len(MODES)
    seen = [times(found)]
    while len(seen) < 10 or (len({now[0] for now in seen}) < 10 and len(seen) < 200):
        page.wait_for_timeout(50)
        seen.append(times(found))
    assert len({now[0] for now in seen}) >= 10  # they do play
    apart = sorted(max(now) - min(now) for now in seen)
    assert apart[len(apart) // 2] < 0.5 / FPS  # on a busy machine one waits for a moment
    found.get_by_role("button", name="Pause").click()
    expect(found).to_have_attribute("data-state", "paused")
    now = times(found)
    assert max(now) - min(now) < 0.5 / FPS


def test_they_go_to_a_frame_together_and_tell_which_are_observed(visit, index):
    page = visit(index)
    found = player(page)
    slider, output = found.get_by_role("slider"), found.locator("output")
    slider.focus()
    for key, frame in (("Home", 0), ("ArrowRight", 1), ("End", LENGTH - 1), ("ArrowLeft", LENGTH - 2)):
        page.keyboard.press(key)
        expect(slider).to_have_value(str(frame))
        expect(output).to_have_text(
            f"{frame} / {LENGTH - 1} {'observed' if frame < OBSERVED else 'generated'}"
        )
        expect(found).to_have_attribute("data-state", "paused")
    slider.fill("20")
    page.wait_for_timeout(200)
    assert times(found) == pytest.approx([20.5 / FPS] * (1 + len(MODES)), abs=0.01)
    # The picture is that of the frame: its number is its grey level.
    level = (
        found.locator("video")
        .nth(1)
        .evaluate("""video => {
        const canvas = new OffscreenCanvas(1, 1).getContext("2d");
        canvas.drawImage(video, 40, 40, 8, 8, 0, 0, 1, 1);
        try { return canvas.getImageData(0, 0, 1, 1).data[0]; } catch { return null; }
    }""")
    )
    assert level is None or abs(level - 20 * 4) <= 3  # a browser may keep the pixels of files to itself
    mark = found.locator(".marks rect")
    assert (mark.get_attribute("x"), mark.get_attribute("width")) == ("0.0%", f"{100 * OBSERVED / LENGTH}%")


def test_one_test_video_plays_at_a_time_at_the_chosen_speed_and_begins_again(visit, index):
    page = visit(index)
    first, second = player(page), player(page, 1)
    first.evaluate("""first => {
        let held = false;
        window.again = new Promise((resolve) => {
            new MutationObserver(() => {
                held ||= first.dataset.state === "holding";
                if (held && first.dataset.state === "playing") resolve(true);
            }).observe(first, { attributeFilter: ["data-state"] });
        });
    }""")
    first.get_by_label("Speed").select_option("2")
    first.get_by_role("button", name="Play").click()
    assert page.evaluate("window.again")
    second.get_by_role("button", name="Play").click()
    expect(second).to_have_attribute("data-state", "playing")
    expect(first).to_have_attribute("data-state", "paused")


def test_a_video_that_is_missing_says_so_and_the_others_play(visit, index, tmp_path, browser):
    folder = shutil.copytree(index.parent, tmp_path / "sent elsewhere #1")
    next(folder.rglob("0000-01.mp4")).unlink()
    page = browser.new_page()
    page.goto((folder / "index.html").as_uri())
    found = player(page)
    found.get_by_role("button", name="Play").click()
    expect(found).to_have_attribute("data-state", "playing")
    expect(found.get_by_text("cannot be played")).to_have_count(1)
    assert len(times(found)) == len(MODES)
    page.close()


def test_all_can_be_reached_by_the_keyboard_and_focus_is_seen(visit, index):
    page = visit(index)
    reached = []
    for _ in range(100):
        page.keyboard.press("Tab")
        told = page.evaluate("""() => {
            const found = document.activeElement, style = getComputedStyle(found);
            return [found.tagName, found.className, style.outlineStyle];
        }""")
        if told[0] == "BODY":
            break
        reached.append(told)
    assert all(outline != "none" for _, _, outline in reached)
    kinds = [f"{tag} {name}".strip() for tag, name, _ in reached]
    wanted = [
        "A skip",
        "BUTTON sort",
        "SELECT",
        "BUTTON play",
        "BUTTON step",
        "INPUT",
        "SELECT speed",
        "SUMMARY",
    ]
    assert [kind for kind in wanted if kind not in kinds] == []
    page.locator(".sort").first.focus()
    page.keyboard.press("Enter")
    assert page.locator(".comparison th").first.get_attribute("aria-sort") == "ascending"


def test_pictures_have_texts_and_what_comes_late_moves_nothing(visit, index):
    page = visit(index)
    assert page.locator("img:not([alt]), img[alt='']").count() == 0
    assert page.locator("img:not([width]), img:not([height])").count() == 0
    page.evaluate("""() => {
        window.moved = 0;
        new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) window.moved += entry.value;
        }).observe({ type: "layout-shift", buffered: true });
    }""")
    for name in ("curves", "videos", "plans", "trainings"):
        page.locator(f"#{name}").scroll_into_view_if_needed()
        page.wait_for_timeout(200)
    found = player(page)
    found.get_by_role("button", name="Play").click()
    expect(found).to_have_attribute("data-state", "playing")
    assert page.evaluate("window.moved") < 0.01


def test_the_curves_of_the_training_are_shown(visit, index):
    page = visit(index)
    shown = page.locator("#trainings figure")
    assert shown.locator("figcaption").text_content().strip() == page_tree.RUN
    assert (index.parent / shown.locator("img").get_attribute("src")).is_file()
    expect(page.get_by_role("link", name="Training", exact=True)).to_be_visible()


def test_texts_of_files_are_texts(visit, tmp_path):
    """What files say cannot become a part of the page."""
    evaluations = page_tree.write_tree(tmp_path, HOSTILE.replace("\u2028", " "))
    page = visit(page_tree.make(tmp_path, evaluations))
    for section in page.locator("main > section").all():
        section.scroll_into_view_if_needed()
    expect(page.locator(".main-svg").first).to_be_visible()
    for place in ("#note-1", ".pairs", "#costs", "#protocols", "#provenance"):
        assert HOSTILE.split("\u2028")[0] in page.locator(place).text_content()
    assert page.evaluate("window.hacked") is None
    assert page.locator("[onerror], [onclick]").count() == 0


def test_twenty_modes_with_a_hundred_videos_open_quickly(visit, index, tmp_path):
    clip = next(index.parent.rglob("0000-01.mp4"))
    page = visit(page_tree.make_large(tmp_path, 20, 100, clip, clip.with_suffix(".jpg")))
    seconds = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000
    assert seconds < 5  # 0.5 on an idle machine
    assert len(page.requests) < 30 and files(page, ".mp4") == []
    found = player(page, 99)
    found.get_by_role("button", name="Play").click()
    expect(found).to_have_attribute("data-state", "playing")
    assert len(files(page, ".mp4")) == 21
    assert len(files(page, ".jpg")) < 500
    page.locator("#comparison").scroll_into_view_if_needed()
    expect(found).to_have_attribute("data-state", "idle")
    expect(found.locator("video")).to_have_count(0)


def test_a_file_of_an_earlier_page_goes(index):
    names = (
        "media/0/0099-00.mp4",
        "media/plan-09.png",
        "media/0/.tmp-0a1b2c3d-0000-00.mp4",
        "assets/.tmp-0a1b2c3d-page.js",
    )
    stale = [index.parent / name for name in names]
    others = [
        index.parent / name for name in ("media/holiday.mp4", "assets/notes.txt", "media/mine/0000-00.mp4")
    ]
    for path in (*stale, *others):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    root = index.parents[2]
    page_tree.make(
        root, [page_tree.Evaluation.named(page_tree.RUN, page_tree.CHECKPOINT, MODES[0], root / "results")]
    )
    assert not any(path.exists() for path in stale) and all(path.exists() for path in others)
    assert len(list(index.parent.rglob("0/*.mp4"))) == 2 * page_tree.VIDEOS


@pytest.mark.parametrize("scheme", [":root {", "@media (prefers-color-scheme: dark)"])
def test_colours_of_texts_can_be_told_from_the_paper(scheme):
    """WCAG 2: a contrast of 4.5 for texts."""
    text = STYLE.read_text()
    light = dict(re.findall(r"--(\w+): (#\w+);", text[: text.index("@media")]))
    own = dict(re.findall(r"--(\w+): (#\w+);", text[text.index(scheme) :].split("}")[0]))
    colours = light | own

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for paper in ("paper", "card"):
        for ink in ("ink", "faint", "accent", "warn"):
            low, high = sorted(luminance(colours[name]) for name in (paper, ink))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (paper, ink)


def test_lines_of_modes_and_baselines_are_told_apart():
    names = [page_tree.Name("", "", "m_1_2_3_4", number) for number in range(-2, 32)]
    assert len({(name.colour, name.dash) for name in names}) >= 32
    assert names[0].dash != names[1].dash and names[0].is_baseline
