"""The one error of the local stack."""


class StackError(Exception):
    """The local stack cannot start or go on; the text says in one line what is wrong and what to do.

    After a child's crash its last lines follow.
    """
