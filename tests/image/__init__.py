"""The image's steps, run without a container engine: `make image`."""
