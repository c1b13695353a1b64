"""Quality against network evaluations: what the section `quality` of the configuration compares."""

QUALITY_FILES = [f"{REPORT_FOLDER}/quality.{ext}" for ext in ("csv", "txt", "png")]


rule quality:
    input:
        QUALITY_FILES if QUALITY else [],


if QUALITY:

    rule compare_quality:
        input:
            references=[cell.metrics("json") for cell in QUALITY.references],
            metrics=[cell.metrics("json") for cell in QUALITY.cells],
            rows=(
                [cell.metrics("npz") for cell in QUALITY]
                if CONFIG.metrics.descriptors
                else []
            ),
            model_config=ancient(
                [
                    f"{cell.evaluation.directory}/model_config.json"
                    for cell in QUALITY.references
                ]
            ),
            shown=shown_quality,
        output:
            csv=report(
                QUALITY_FILES[0],
                category="Comparison",
                caption="captions/quality.rst",
                labels={"of all modes": "quality against evaluations"},
            ),
            text=QUALITY_FILES[1],
            picture=report(
                QUALITY_FILES[2],
                category="Comparison",
                caption="captions/quality.rst",
                labels={"of all modes": "quality against evaluations, picture"},
            ),
        log:
            "logs/quality.log",
        conda:
            "../environment.yml"
        threads: 1
        params:
            deciding=CONFIG.quality.deciding,
        script:
            "../workflow_scripts/quality.py"
