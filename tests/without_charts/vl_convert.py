"""Stands before the chart engine on the path of a test that looks at no page: the page is then written without charts, as where the engine is not installed."""

raise ModuleNotFoundError("No module named 'vl_convert'", name="vl_convert")
