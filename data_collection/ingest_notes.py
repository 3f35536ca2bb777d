"""Notes taken while images of a source are ingested, and told at its end."""

from dataclasses import dataclass, field

from data_collection.source_types import CandidateFace
from runtime import console
from runtime.terminal.counting import choose_verb, format_count


@dataclass
class IngestNotes:
    """Notes on the images of one source.

    Attributes:
        with_new_facts: known candidates whose facts have changed.
        named_generators: photographs, and the generator that the metadata of each names.
    """

    with_new_facts: list[CandidateFace] = field(default_factory=list)
    named_generators: list[tuple[CandidateFace, str]] = field(default_factory=list)

    def report(self, n_offered: int) -> None:
        """Warn of photographs whose own metadata says that a generator made them.

        Raises:
            PlainError: facts were added for images that already have a split.
        """
        named, late = self.named_generators, self.with_new_facts
        if named:
            shown = dict.fromkeys(f"{face.file} ({name})" for face, name in (named[0], named[-1]))
            console.print_warning(
                f"{len(named)} of {n_offered} photographs of {named[0][0].source} "
                f"{choose_verb(len(named), 'has', 'have')} metadata that names a generator: "
                f"{' and '.join(shown)}. If {choose_verb(len(named), 'it is', 'they are')} "
                f"generated, collect {choose_verb(len(named), 'it', 'them')} with --generated "
                "under "
                "another --dataset name."
            )
        if late:
            raise console.PlainError(
                f"{format_count(len(late), 'image')} of {late[0].source} "
                f"{choose_verb(len(late), 'was', 'were')} collected before without the facts that "
                f"--facts gives now, for example {late[0].file}. Splits are frozen and "
                "cannot follow; collect again under another --dataset name."
            )
