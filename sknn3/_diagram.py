"""The diagram that notebooks draw of an estimator."""

from __future__ import annotations

import re
from typing import Any

# What makes a link of an anchor.  Quotes in values and descriptions come escaped.
_LINK = re.compile(r'\s(?:href|target|rel)="[^"]*"')


class DescribedMixin:
    """Describes parameters and attributes in the diagram without a page to link to.

    scikit-learn finds their descriptions in the docstring, but shows them in links to
    a page on the web only.
    """

    def _get_params_html(self, *args: Any, **kwargs: Any) -> Any:
        return _described(super()._get_params_html(*args, **kwargs))  # type: ignore[misc]

    def _get_fitted_attr_html(self, *args: Any, **kwargs: Any) -> Any:
        return _described(super()._get_fitted_attr_html(*args, **kwargs))  # type: ignore[misc]


def _described(table: Any) -> Any:
    if not table.doc_link:
        table.doc_link = "nowhere"
        draw = table._html_repr  # noqa: SLF001 (what scikit-learn's mixin draws by)
        table._html_repr = lambda: _LINK.sub("", draw())  # noqa: SLF001
    return table
