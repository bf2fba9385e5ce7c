"""The example files of `proxy/deploy`, and what each is for.

This file must not read them.
"""

from __future__ import annotations

EXAMPLES = {
    "compose.yaml": "one container with a read-only root (the image: Dockerfile)",
    "sallyport.service": "a hardened systemd unit",
    "sallyport.yaml": "a configuration to begin with",
    "prometheus.yaml": "where to scrape, and what to be woken for",
    "grafana.json": "a dashboard of every metric",
}
