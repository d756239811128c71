"""Pure: who said what in a call, and when."""

import re
from collections.abc import Sequence

from sophia_mcp.pages import cut

from .models import Found, Heard, Monologue, Party, Quoted, Speaker, Turn, clock

TURN, QUOTE, QUOTES = 20_000, 400, 3
"""Characters of a turn and of a quote; quotes of a call."""


def turns(
    call: Heard, monologues: Sequence[Monologue], start: float, end: float | None
) -> list[Turn]:
    """The sentences that begin within these minutes."""
    found = []
    for one in monologues:
        own = [s for s in one.sentences if start <= s.start / 60_000 < (end or float("inf"))]
        if own:
            text = cut(" ".join(sentence.text for sentence in own), TURN)
            found.append(_turn(_party(call, one), own[0].start, text))
    return found


def pattern(words: Sequence[str]) -> re.Pattern[str]:
    """Any of the words or phrases, from the beginning of a word on, in whichever case."""
    phrases = (r"\s+".join(map(re.escape, phrase.split())) for phrase in words)
    return re.compile(rf"(?<!\w)(?:{'|'.join(phrases)})", re.IGNORECASE)


def quoted(
    call: Heard, monologues: Sequence[Monologue], wanted: re.Pattern[str], side: str | None
) -> Quoted | None:
    """Where it was said in a call. side: Internal or External, of who said it."""
    quotes = []
    for one in monologues:
        who = _party(call, one)
        for number, sentence in enumerate(one.sentences if side in (None, who.affiliation) else ()):
            if wanted.search(sentence.text):
                around = one.sentences[max(0, number - 1) : number + 2]
                text = cut(" ".join(s.text for s in around), QUOTE)
                quotes.append(_turn(who, sentence.start, text))
    if not quotes:
        return None
    known = call.model_dump(include={"id", "title", "started", "url"})
    return Quoted(**known, hits=len(quotes), quotes=quotes[:QUOTES])


def stats(call: Heard) -> Found[Speaker]:
    """How long each spoke, and what Gong has of the host."""
    everybody = sum(one.seconds or 0 for one in call.talked)
    speakers = []
    for one in call.talked:
        who = next((p for p in call.parties if one.id in (p.id, p.speaker_id)), Party())
        speakers.append(
            Speaker(
                name=who.called,
                talk_seconds=one.seconds,
                talk_share=one.seconds and round(one.seconds / everybody, 3),
                user_id=(user := one.user_id or who.user_id),
                stats=call.stats if user and user == call.host_id else {},
                **who.model_dump(include={"email", "affiliation"}),
            )
        )
    return Found(entries=speakers, looked_at=1)


def _party(call: Heard, monologue: Monologue) -> Party:
    known = (
        one for one in call.parties if one.speaker_id and one.speaker_id == monologue.speaker_id
    )
    return next(known, Party())


def _turn(who: Party, start: float, text: str) -> Turn:
    return Turn(time=str(clock(start / 1000)), speaker=who.called, text=text)
