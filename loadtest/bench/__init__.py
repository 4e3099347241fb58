"""The side by side: the node against nginx, against aiohttp, against COPY, and against itself with more records."""
