"""Recordings: files of calls made elsewhere, read without executing anything. ``docs/recordings.md`` describes them."""
