"""A small phone company on your own machine.

It speaks Twilio's HTTP contract: REST in, signed webhooks and TwiML out, queues, conferences, texts, a
softphone. It imports nothing of the product and the product imports nothing of it; they meet over HTTP only.
`python -m simulator` starts it; docs/simulator.md says what it does, what it refuses and what is unverified.
"""
