"""Notes taken while images of a source are ingested, and told at its end."""

from dataclasses import dataclass, field

from data_collection.source_types import CandidateFace
from runtime import console


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
                f"{len(named)} of {n_offered} photographs of {named[0][0].source} have metadata "
                f"that names a generator: {' and '.join(shown)}. If they are generated, collect "
                "them with --generated under another --dataset name."
            )
        if late:
            raise console.PlainError(
                f"{len(late)} images of {late[0].source} were collected before without the facts "
                f"that --facts gives now, for example {late[0].file}. Splits are frozen and "
                "cannot follow; collect again under another --dataset name."
            )
