"""The demo: sandbox, two tenants, web server and worker on a laptop, started and ended together."""
