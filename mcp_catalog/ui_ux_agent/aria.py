"""The roles, states and properties of WAI-ARIA 1.2 (and Graphics Module 1.0)."""

_ROLES = """
alert alertdialog application article banner blockquote button caption cell checkbox code
columnheader combobox complementary contentinfo definition deletion dialog directory document
emphasis feed figure form generic grid gridcell group heading img insertion link list listbox
listitem log main marquee math menu menubar menuitem menuitemcheckbox menuitemradio meter
navigation none note option paragraph presentation progressbar radio radiogroup region row rowgroup
rowheader scrollbar search searchbox separator slider spinbutton status strong subscript
superscript switch tab table tablist tabpanel term textbox time timer toolbar tooltip tree treegrid
treeitem graphics-document graphics-object graphics-symbol
"""
_ATTRIBUTES = """
activedescendant atomic autocomplete braillelabel brailleroledescription busy checked colcount
colindex colindextext colspan controls current describedby description details disabled dropeffect
errormessage expanded flowto grabbed haspopup hidden invalid keyshortcuts label labelledby level
live modal multiline multiselectable orientation owns placeholder posinset pressed readonly
relevant required roledescription rowcount rowindex rowindextext rowspan selected setsize sort
valuemax valuemin valuenow valuetext
"""
_FLAG = {"true", "false"}
_FLAGS = ("atomic", "busy", "disabled", "modal", "multiline", "multiselectable", "readonly")

ROLES = frozenset(_ROLES.split())
ATTRIBUTES = frozenset(f"aria-{name}" for name in _ATTRIBUTES.split())
VALUES: dict[str, set[str]] = {
    **{f"aria-{name}": _FLAG for name in (*_FLAGS, "required")},
    **{f"aria-{name}": _FLAG | {"undefined"} for name in ("expanded", "hidden", "selected")},
    **{f"aria-{name}": _FLAG | {"mixed", "undefined"} for name in ("checked", "pressed")},
    "aria-live": {"off", "polite", "assertive"},
    "aria-haspopup": _FLAG | {"menu", "listbox", "tree", "grid", "dialog"},
    "aria-invalid": _FLAG | {"grammar", "spelling"},
    "aria-current": _FLAG | {"page", "step", "location", "date", "time"},
    "aria-orientation": {"horizontal", "vertical", "undefined"},
}
"""Of the attributes that have few values."""
