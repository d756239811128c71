DOCUMENT: dict[str, object] = {}
