"""README.md as the package index shows it: with absolute links and pictures.

They start with the address `Source` in `[project.urls]` of pyproject.toml, and show the
files of the released version.  Without this address they stay relative.
"""

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELATIVE = re.compile(r'(?:\]\(|src=")(?!https?:|#)')


class ReadmeHook(MetadataHookInterface):
    """Sets the field `readme` of the metadata."""

    def update(self, metadata):
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        source = metadata.get("urls", {}).get("Source")
        if source:
            files = {"](": f"{source}/blob/v{metadata['version']}/"}
            files['src="'] = f"{source}/raw/v{metadata['version']}/"
            text = RELATIVE.sub(lambda match: match[0] + files[match[0]], text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
