"""One program: what it offers, its terms, its questions, and the button that applies."""

import re

import streamlit as st

from fleet.flip.programs import FormField, Program
from streamlit_app import visit, words
from streamlit_app.services import flip
from streamlit_app.services.accounts import Account
from streamlit_app.services.sites import Site

_MAX_ANSWER_CHARACTERS = 500

Answer = bool | float | str | None
"""None: not answered yet."""
_SAID = {"Yes": True, "No": False}


def show_program(account: Account, site: Site, program: Program, thing_names: list[str], *, is_under_way: bool) -> None:
    """The card of a program that the home has not joined; no form while an application is under way."""
    with st.container(border=True, key=f"program_{program.id}"):
        st.subheader(words.plain(program.name or program.id), anchor=False)
        st.write(words.plain(program.description))
        show_facts(program)
        if not thing_names:
            st.info("Register a battery at this address first.")
            return
        if is_under_way:
            st.caption("You can apply once what you asked for is done.")
            return
        with st.expander("Terms, questions and applying", key=f"apply_{program.id}"):
            _apply(account, site, program, thing_names)


def show_facts(program: Program) -> None:
    """What it pays, for how long, and what it asks of a battery."""
    st.markdown("\n".join(f"- {line}" for line in _facts(program)))


def _apply(account: Account, site: Site, program: Program, thing_names: list[str]) -> None:
    show_terms(program)
    with st.form(f"enroll_{program.id}", border=False):
        answers = {field.name: _ask(program.id, field) for field in program.enrollment_form}
        has_terms = bool(program.terms_and_conditions_text)
        consent = "I have read the terms and agree to them." if has_terms else "I want to take part."
        agreed = st.checkbox(consent, key=f"agree_{program.id}")
        submitted = st.form_submit_button("Apply", key=f"enroll_submit_{program.id}", type="primary")
    if not submitted:
        return
    wrong = _problems(program, answers, agreed=agreed)
    for sentence in wrong:
        st.error(words.plain(sentence))
    if not wrong:
        with visit.told():
            given = {name: answer for name, answer in answers.items() if answer is not None}
            flip.enroll(account, str(site.site_id), program, thing_names, given)
            st.rerun()


def show_terms(program: Program) -> None:
    """Its terms, to be scrolled through."""
    if not program.terms_and_conditions_text:
        st.caption("The program has no terms of its own.")
        return
    st.markdown("**Terms and conditions**")  # their version is not for display: Flip's page on programs
    with st.container(border=True, height=260, key=f"terms_{program.id}"):
        st.markdown(_without_images(program.terms_and_conditions_text))


def _ask(program_id: str, field: FormField) -> Answer:
    """The widget for the question's type; a type not known yet is asked as text."""
    label, key = words.plain(field.label or field.name), f"answer_{program_id}_{field.name}"
    hint = words.plain(field.hint) if field.hint else None
    if field.type == "boolean":
        # No box to tick: one that was passed over would answer No.
        said = st.radio(label, list(_SAID), index=None, horizontal=True, key=key, help=hint)
        return None if said is None else _SAID[said]
    if field.type == "number":
        return st.number_input(label, key=key, value=None, min_value=0.0, help=hint)
    return st.text_input(label, key=key, max_chars=_MAX_ANSWER_CHARACTERS, help=hint).strip()


def _problems(program: Program, answers: dict[str, Answer], *, agreed: bool) -> list[str]:
    found = []
    for field in program.enrollment_form:
        answer = answers[field.name]
        if answer is None or answer == "":
            found.append(f"Answer the question: {field.label or field.name}.")
        elif isinstance(answer, str) and len(answer) > _MAX_ANSWER_CHARACTERS:
            found.append(f"Shorten the answer: {field.label or field.name}.")
    if not agreed:
        found.append("Tick the box above the button: you cannot join a program without agreeing.")
    return found


def _facts(program: Program) -> list[str]:
    months = program.participation_months
    named = ", ".join(_MONTHS[month - 1] for month in months if 1 <= month <= 12)
    commitment, reserve = program.minimum_commitment_months, program.minimum_reserve_percentage
    lines = [
        ("For joining", _money(program.earnings_for_site_upfront)),
        ("A year", _money(program.earnings_for_site_yearly)),
        ("You stay at least", "" if commitment is None else f"{commitment:g} months"),
        ("Your battery keeps at least", f"{reserve:g} %" if reserve else ""),
        ("Active in", "all year" if len(set(months)) == 12 else named),
    ]
    return [f"{label}: {words.plain(value)}" for label, value in lines if value]


def _money(amount: float | str | None) -> str:
    return "" if not amount else amount if isinstance(amount, str) else f"${amount:,.0f}"


def _without_images(markdown: str) -> str:
    """Terms are Markdown from elsewhere: an image in them would be fetched from elsewhere."""
    return re.sub(r"!+(?=\[)", "", markdown)


_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
