from weaver_sdk.training.cli import app

app(prog_name="python -m weaver_sdk.training")
