"""What Slack cannot do, and the contract suite therefore does not ask of it."""

SKIPS = {
    "ids_are_texts_and_unique:messages": (
        "A reply that was also sent to its channel is listed there and below its message."
    ),
    "changes_arrive:messages": (
        "Slack lists no changes: edits are seen within the last day, as long as it is read again."
    ),
    "drift_inside_a_page_leaves_the_others:messages": (
        "Only a message's reply_count says that there are replies; without it nobody asks."
    ),
}
