"""A contact's life, one file a stage. A verb takes what it needs and `now`, and is one transaction.

Every verb about a contact first holds the contact's row (`holding.contact`), so verbs about one contact follow each
other; the conditional UPDATE in `models.history.advance` and the partial unique indexes are the last word.
"""
