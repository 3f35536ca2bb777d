"""Print a report on the terminal: the state that the page begins with, the figures, sentences."""

from runtime import console
from runtime.terminal.counting import format_count
from training.final_detector.next_steps import print_next_steps
from validation.gaps import sentences
from validation.metrics.metrics import FALSE_ALARMS, FOUND
from validation.regression_set.sentences import describe_rescored
from validation.report.corrections import describe_corrections
from validation.report.first_screen import choose_state
from validation.report.report import ValidationReport
from validation.sharing.sentences import describe_sharing

PRINTED_METRICS = (
    FALSE_ALARMS,
    FOUND,
    "ROC AUC",
    "average precision",
    "balanced accuracy",
    "TPR",
    "FPR",
    "TPR at 5% FPR",
    "ECE",
)


def print_report(report: ValidationReport) -> None:
    """Print the state that the page begins with, then the figures and the sentences."""
    detector = report.results[0]
    if report.card.banner:
        console.print_warning(report.card.banner)
    state = choose_state(report.card.banner, detector, report.comparisons)
    console.print_message(f"{detector.name}: {state.words}. {state.reason}")
    columns = ["metric, 95% interval", *(result.name for result in report.results)]
    title = report.data.name[0].upper() + report.data.name[1:]
    console.print_table(
        title,
        columns,
        [
            [name, *(result.estimates[name] for result in report.results)]
            for name in PRINTED_METRICS
        ],
    )
    for sentence in report.summary:
        console.print_message(sentence)
    for sentence in describe_sharing(report.sharing) if report.sharing else ():
        console.print_message(sentence)
    for difference in report.comparison.differences[:4] if report.comparison else ():
        console.print_message(difference.sentence)
    if report.outside:
        for note in report.outside.notes:
            console.print_message(f"{report.outside.name}: {note}")
    for column in report.gaps:
        for sentence in sentences.describe_gaps(column):
            console.print_message(sentence)
    for sentence in report.generators.list_sentences() if report.generators else ():
        console.print_message(sentence)
    if report.data.corrections:
        console.print_warning(describe_corrections(report.data.corrections))
    for sentence in describe_rescored(report.came_back) if report.came_back else ():
        console.print_message(sentence)
    print_next_steps(report.next_steps)
    if report.data.rejected:
        file, reason = report.data.rejected[0]
        console.print_warning(
            f"{format_count(len(report.data.rejected), 'file')} could not be scored, for example "
            f"{file}: {reason}. "
            "The report lists all of them."
        )
