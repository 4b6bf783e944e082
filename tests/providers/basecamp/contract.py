"""What Basecamp cannot do, and the contract suite therefore does not ask of it."""

ONE_LIST = "One list holds those of all projects; what a project hides is just not in it."

SKIPS = {
    "ways_to_sign_in_are_complete": "Basecamp knows no scopes: a token can do all its user can.",
    "a_closed_parent_is_passed_over:todos": ONE_LIST,
    "a_closed_parent_is_passed_over:messages": ONE_LIST,
}
