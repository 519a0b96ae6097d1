"""A page to try models on, in the browser: `tintype serve`."""
