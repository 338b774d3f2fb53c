"""Reads the stand-in's record: the rules that the driver gave the NIC, in the order in which they came and went.

    record = Record(path)
    record.rules()        the rules that stand at its end
    record.events()       every creation, end and refusal of a rule
    mark = record.mark(); ...; Record(path).events(mark)      only what came later

`record.py FILE` prints the standing rules in words, `record.py FILE --all` every event.
"""

import dataclasses
import pathlib
import sys

import fields
from steering_requests import SteeringRequests


@dataclasses.dataclass
class Rule:
    """`where`: nic_rx, nic_tx or fdb. `level`: of its table; of hardware steering the table's name. `priority`: the lower one
    is looked at first; of hardware steering as it is when rules() is asked, an event's is of that moment. `match`: field -> (value, mask). `actions`: dicts with a "kind" and what it has."""

    id: str
    where: str
    level: int | str
    priority: int = 0
    match: dict = dataclasses.field(default_factory=dict)
    actions: list = dataclasses.field(default_factory=list)
    line: int = 0

    def action(self, kind):
        """The one action of that kind, or None."""
        return next((action for action in self.actions if action["kind"] == kind), None)

    def kinds(self):
        return [action["kind"] for action in self.actions]

    def header(self):
        """The bytes that it puts before a packet, in hex; None: it does not."""
        for action in self.actions:
            if action["kind"] == "reformat" and action["type"] in ("l2_to_l2_tunnel", "l2_to_l3_tunnel"):
                return action["data"]
        return None

    def __str__(self):
        match = [f"{name}={value:#x}" + ("" if fields.is_whole(name, mask) else f"/{mask:#x}")
                 for name, (value, mask) in self.match.items()]
        actions = [action["kind"] + "".join(f" {key}={value}" for key, value in action.items() if key != "kind" and value != "")
                   for action in self.actions]
        return f"{self.where} level {self.level} priority {self.priority}: {' '.join(match) or 'any'} => {', '.join(actions)}"


@dataclasses.dataclass
class Event:
    what: str  # "add", "remove", "refused"
    rule: Rule  # of a refusal: None
    line: int


class Record:
    def __init__(self, path):
        text = pathlib.Path(path).read_text()
        self.lines = text[:text.rfind("\n") + 1].splitlines()  # the last line may still be in the writing
        self._objects = {}
        self._standing = {}
        self._events = []
        self._requests = SteeringRequests(Rule)
        for number, line in enumerate(self.lines):
            self._read(number, line.split())

    def mark(self):
        return len(self.lines)

    def events(self, since=0):
        return [event for event in self._events if event.line >= since]

    def rules(self):
        return list(self._standing.values()) + self._requests.standing()

    def _read(self, number, words):
        kind = words[0]
        if kind == "destroy":
            rule = self._standing.pop(words[1], None)
            if rule:
                self._events.append(Event("remove", rule, number))
        elif words[1] == "refused":
            self._events.append(Event("refused", None, number))
        elif kind in ("domain", "table", "matcher", "action", "root_matcher", "root_action"):
            self._objects[words[1]] = self._object(words[2:])
        elif kind in ("rule", "root_rule"):
            rule = self._rule(words[1], self._object(words[2:]), root=kind == "root_rule")
            rule.line = number
            self._standing[words[1]] = rule
            self._events.append(Event("add", rule, number))
        else:
            for what, rule in self._requests.read(number, words):
                self._events.append(Event(what, rule, number))

    @staticmethod
    def _object(words):
        made = {"kind": ""}
        for word in words:
            key, equals, value = word.partition("=")
            made[key if equals else "kind"] = value if equals else key
        return made

    def _rule(self, name, what, root):
        matcher = self._objects[what["matcher"]]
        match = fields.match(what["value"], matcher["mask"])
        if root:
            where, level = ("nic_rx", "nic_tx", "fdb")[int(matcher["ft_type"])], 0
        else:
            table = self._objects[matcher["table"]]
            where, level = self._objects[table["domain"]]["type"], int(table["level"])
        actions = [self._action(action) for action in what["actions"].split(",")]
        return Rule(name, where, level, int(matcher["priority"]), match, actions)

    def _action(self, name):
        if name.startswith("dest="):
            return {"kind": "dest", "object": name[5:]}
        action = dict(self._objects.get(name, {"kind": name}))
        action.pop("domain", None)
        if action["kind"] == "modify_header":
            action["commands"] = fields.modify(action.pop("data"))
        if action["kind"] == "dest_table":
            action["level"] = int(self._objects[action["table"]]["level"])
        return action


if __name__ == "__main__":
    read = Record(sys.argv[1])
    if "--all" in sys.argv:
        for event in read.events():
            print(event.what, event.rule or "")
    else:
        for rule in read.rules():
            print(rule)
