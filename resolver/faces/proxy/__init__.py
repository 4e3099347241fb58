"""What a link can do besides leading to a URL: locations to choose from, headers of its own, aliases."""
