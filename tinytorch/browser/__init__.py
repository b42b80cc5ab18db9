"""SmolLM2 in the reader's browser: WebAssembly kernels and the JavaScript that calls them."""
