"""The node's log: which bytes are unread, what the lines among them are, and what they say together."""
