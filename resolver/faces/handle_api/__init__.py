"""The Handle JSON API beyond resolution: who asks, writing, lists, sessions, and what the site says of itself."""
