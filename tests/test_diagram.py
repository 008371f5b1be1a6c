"""The diagram that notebooks draw, read back from its HTML."""

import inspect
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from numpydoc.docscrape import NumpyDocString
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from sknn3 import ThreeLayerNNClassifier

DOCSTRING = NumpyDocString(inspect.getdoc(ThreeLayerNNClassifier))
PARAMETERS = inspect.signature(ThreeLayerNNClassifier).parameters


class Diagram(HTMLParser):
    """Collects the rows of the tables, and the links anywhere.

    Attributes
    ----------
    tables : dict of dict
        For each title the rows by name: class, link, description and value.
    links : list of (str, str)
        Addresses with their texts.
    """

    def __init__(self, estimator):
        super().__init__()
        self.tables, self.links = {}, []
        self.row, self.open = None, []
        self.feed(estimator_html_repr(estimator))
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "br":
            self.handle_data("\n")
            return
        self.open.append((tag, attrs.get("class", "")))
        if tag == "summary":
            self.title = ""
        elif tag == "tr":
            self.row = {"class": attrs.get("class"), "link": None}
            self.row |= {"name": "", "description": "", "value": ""}
        elif tag == "a":
            self.anchor = attrs.get("href")
            if self.anchor is not None:
                self.links.append((self.anchor, ""))
            if self.row is not None:
                self.row["link"] = self.anchor

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass
        if tag == "tr" and self.row["name"].strip() not in ("", "Name"):
            row = {k: v and v.strip() for k, v in self.row.items()}
            self.tables.setdefault(self.title, {})[row.pop("name")] = row
        if tag == "tr":
            self.row = None

    def handle_data(self, data):
        if any(tag in ("style", "script") for tag, _ in self.open):
            return
        classes = [kind for _, kind in self.open]
        if self.open and self.open[-1][0] == "summary":
            self.title += data.strip()
        elif self.row is None:
            if "a" in [tag for tag, _ in self.open] and self.anchor is not None:
                self.links[-1] = (self.anchor, self.links[-1][1] + data)
        elif "param-doc-description" in classes:
            self.row["description"] += data
        elif "param" in classes:
            self.row["name"] += data
        else:
            self.row["value"] += data


def assert_described(rows, section):
    for entry in DOCSTRING[section]:
        if entry.name in rows:
            head, _, text = rows[entry.name]["description"].partition("\n\n")
            assert head == f"{entry.name}: {entry.type}"
            assert text.split() == " ".join(entry.desc).split()


@pytest.mark.parametrize("wrap", [lambda net: net, make_pipeline])
def test_parameters_come_with_value_and_description(wrap):
    net = ThreeLayerNNClassifier(7, solver="lbfgs")
    rows = Diagram(wrap(net)).tables["Parameters"]
    assert set(PARAMETERS) <= set(rows)
    for name in PARAMETERS:
        assert rows[name]["value"] == repr(getattr(net, name))
        changed = name in ("hidden_layer_size", "solver")
        assert rows[name]["class"] == ("user-set" if changed else "default")
    assert_described(rows, "Parameters")


def test_fitted_attributes_are_described(iris):
    clf = ThreeLayerNNClassifier(tol=1e-2, random_state=0)
    assert "Fitted attributes" not in Diagram(clf).tables
    rows = Diagram(clf.fit(*iris)).tables["Fitted attributes"]
    documented = {entry.name for entry in DOCSTRING["Attributes"]}
    assert documented - set(rows) == {"feature_names_in_"}  # iris came without names
    assert set(rows) <= documented
    assert_described(rows, "Attributes")
    assert rows["n_outputs_"]["value"].split() == ["int", "3"]


def test_there_is_no_link_without_a_page():
    assert Diagram(ThreeLayerNNClassifier()).links == []
    # Nor is our class looked for in scikit-learn's pages; its own are linked as ever.
    pipe = make_pipeline(StandardScaler(), ThreeLayerNNClassifier())
    links = [address for address, _ in Diagram(pipe).links]
    assert any("StandardScaler" in address for address in links)
    assert not any("ThreeLayerNNClassifier" in address for address in links)


def test_links_lead_to_the_page_once_there_is_one(monkeypatch):
    monkeypatch.setattr(
        ThreeLayerNNClassifier,
        "_doc_link_template",
        "https://docs.invalid/{estimator_module}.{estimator_name}.html",
    )
    page = "https://docs.invalid/sknn3.classifier.ThreeLayerNNClassifier.html"
    diagram = Diagram(ThreeLayerNNClassifier())
    assert (page, "?Documentation for ThreeLayerNNClassifier") in diagram.links
    rows = diagram.tables["Parameters"]
    assert_described(rows, "Parameters")
    for entry in DOCSTRING["Parameters"]:
        text = f"{quote(entry.name)},-{quote(entry.type)}"
        assert rows[entry.name]["link"] == f"{page}#:~:text={text}"
