"""The grid side by side: a table, and for each checkpoint contact sheets and curves of its modes."""

from viddiff.report.pictures import curve_pictures
from viddiff.workflow.report_files import (
    contents_file,
    report_contents,
    report_files,
)
from viddiff.workflow.together import is_small

ANIMATED = CONFIG.report.videos if "mp4" in CONFIG.videos.formats else 0
REPORT = report_files(GRID, CONFIG.metrics.names, REPORT_FOLDER, ANIMATED)
REPORT_CONTENTS = contents_file(GRID, CONFIG.report.videos, REPORT_FOLDER)
PAGE = f"{REPORT_FOLDER}/report/index.html"
GROUP = f"{REPORT_FOLDER}/{{run}}/{{checkpoint}}"


rule report:
    input:
        REPORT,
        PAGE,
        REPORT_CONTENTS,


# A table or picture that exists would stay as it is when the configuration asks for other modes. So what the report
# shows is part of a file's name: if that is missing, all of the report is made again.
rule report_contents:
    input:
        shown_report,
    output:
        REPORT_CONTENTS,
    log:
        "logs/report_contents.log",
    localrule: True
    conda:
        "../environment.yml"
    threads: 1
    params:
        contents=report_contents(GRID, CONFIG.report.videos),
    script:
        "../workflow_scripts/report_contents.py"


rule comparison:
    input:
        metrics=grid_metrics("json"),
        elbos=grid_elbos if CONFIG.metrics.elbos else [],
        baselines=grid_baselines,
        model_config=ancient(grid_files("model_config.json")),
    output:
        csv=report(
            f"{REPORT_FOLDER}/comparison.csv",
            category="Comparison",
            caption="captions/comparison.rst",
            labels={"of all modes": "metrics"},
        ),
        text=f"{REPORT_FOLDER}/comparison.txt",
    log:
        "logs/comparison.log",
    localrule: True
    conda:
        "../environment.yml"
    threads: 1
    script:
        "../workflow_scripts/comparison.py"


rule comparison_pairs:
    input:
        metrics=grid_metrics("json"),
        rows=grid_metrics("npz") if CONFIG.metrics.descriptors else [],
    output:
        csv=report(
            f"{REPORT_FOLDER}/comparison_pairs.csv",
            category="Comparison",
            caption="captions/comparison_pairs.rst",
            labels={"of all modes": "pairs"},
        ),
        text=f"{REPORT_FOLDER}/comparison_pairs.txt",
    log:
        "logs/comparison_pairs.log",
    conda:
        "../environment.yml"
    threads: 1
    script:
        "../workflow_scripts/comparison_pairs.py"


rule contact_sheet:
    input:
        samples=sheet_samples,
        truth=ancient(sheet_truth),
    output:
        report(
            f"{GROUP}/contact_sheet_{{group}}.png",
            category="Samples",
            caption="captions/contact_sheet.rst",
            labels={"run": "{run}", "checkpoint": "{checkpoint}", "videos": "{group}"},
        ),
    log:
        "logs/{run}/{checkpoint}/contact_sheet_{group}.log",
    localrule: True
    conda:
        "../environment.yml"
    threads: 1
    params:
        modes=shown_modes,
        videos=sheet_videos,
    script:
        "../workflow_scripts/contact_sheet.py"


rule modes_video:
    input:
        samples=modes_samples,
        truth=ancient(sheet_truth),
    output:
        f"{GROUP}/modes_{{video}}_{{group}}.mp4",
    log:
        "logs/{run}/{checkpoint}/modes_{video}_{group}.log",
    wildcard_constraints:
        video=VIDEO,
    localrule: True
    conda:
        "../environment.yml"
    threads: 1
    params:
        modes=shown_modes,
    script:
        "../workflow_scripts/modes_video.py"


rule frame_curves:
    input:
        metrics=lambda wildcards: [cell.metrics("json") for cell in cells_of(wildcards)],
        baselines=group_baselines,
    output:
        report(
            f"{GROUP}/{{metric}}_{{group}}.png",
            category="Metrics",
            caption="captions/frame_curves.rst",
            labels={
                "run": "{run}",
                "checkpoint": "{checkpoint}",
                "metric": "{metric}",
                "videos": "{group}",
            },
        ),
    log:
        "logs/{run}/{checkpoint}/{metric}_{group}.log",
    wildcard_constraints:
        # An empty constraint would be none.
        metric="|".join(curve_pictures(CONFIG.metrics.names)) or "(?!)",
    localrule: True
    conda:
        "../environment.yml"
    threads: 1
    script:
        "../workflow_scripts/frame_curves.py"


rule page:
    input:
        metrics=grid_metrics("json"),
        elbos=rules.comparison.input.elbos,
        pairs=rules.comparison_pairs.output.csv,
        baselines=rules.comparison.input.baselines,
        plans=[grid_files("plan.png"), grid_files("plan_cost.json")],
        videos=page_videos,
        samples=page_samples,
        truth=page_truth,
        trainings=page_trainings,
    output:
        # The last file that is written; its folder holds all that it shows.
        PAGE,
    log:
        "logs/page.log",
    localrule: True
    conda:
        "../environment.yml"
    threads: 1
    script:
        "../workflow_scripts/page.py"


# All of a small report that does not exist yet.
if (
    CALL.request.cells
    and is_small(GRID)
    and not any(map(os.path.exists, [*REPORT, PAGE]))
):

    ruleorder: new_report > comparison
    ruleorder: new_report > comparison_pairs
    ruleorder: new_report > page

    rule new_report:
        input:
            metrics=rules.comparison.input.metrics,
            rows=rules.comparison_pairs.input.rows,
            elbos=rules.comparison.input.elbos,
            baselines=rules.comparison.input.baselines,
            model_config=rules.comparison.input.model_config,
            plans=rules.page.input.plans,
            videos=rules.page.input.videos,
            samples=rules.page.input.samples,
            truth=rules.page.input.truth,
        output:
            REPORT,
            page=PAGE,
            text=rules.comparison.output.text,
            pairs_text=rules.comparison_pairs.output.text,
        log:
            "logs/new_report.log",
        localrule: True
        conda:
            "../environment.yml"
        threads: 1
        script:
            "../workflow_scripts/new_report.py"
