"""Hardware steering (dv_flow_en=2) in the record: work requests, put together to rules.

The driver makes a rule of the E-Switch once for what comes from the wire and once for what comes from the VFs, unless the
rule names its source; here the two are one rule, which stands while one of them does. A table leads to its first matcher,
and each matcher to the next when it finds nothing: how many stand before it is the priority of its rules. Of a rule that
needs more room than one place (IPv6 addresses) the actions in the further places are not read."""

import dataclasses

import fields

KINDS = {0x05: "copy", 0x06: "set", 0x07: "add", 0x08: "remove_words", 0x09: "remove_header", 0x0b: "reformat", 0x0c: "tag",
         0x0e: "modify_header", 0x14: "counter", 0x81: "dest_tir", 0x82: "dest_table", 0x83: "drop", 0x85: "dest_vport",
         0x86: "dest_wire"}
WHERE = {0: "nic_rx", 1: "nic_tx", 10: "fdb", 11: "fdb"}
ARGUMENT_AT = 7  # where in the data the offset of an argument stands


@dataclasses.dataclass
class Matcher:
    where: str
    actions: str  # the STCs that its rules' actions are of
    miss: str  # the table to which a packet goes that it does not find
    definer: fields.Definer | None  # none: it looks at nothing
    words: int  # how many of a rule's data are what is matched
    pair: tuple = ()  # itself and its other half; none: no table leads to it


class SteeringRequests:
    def __init__(self, rule_type):
        self._rule_type = rule_type
        self._matchers, self._definers, self._actions, self._arguments = {}, {}, {}, {}
        self._linked = {}  # matcher -> the table, or what another misses to, that leads to it
        self._standing = {}  # (pair, words) -> [rule, matchers in which it stands]

    def standing(self):
        """Other matchers may have come before theirs since."""
        places = [(rule, *self._place(next(iter(matchers)))) for rule, matchers in self._standing.values()]
        return [dataclasses.replace(rule, level=level, priority=priority) for rule, level, priority in places]

    def read(self, number, words):
        """The rules that came or went by this line of the record: [("add" or "remove", rule)]."""
        what = dict(word.split("=") for word in words if "=" in word)
        if words[0] == "definer":
            self._definers[words[1]] = fields.Definer(what["words"], what["bytes"], what["mask"])
        elif words[0] == "rtc":
            self._matchers[words[1]] = Matcher(WHERE[int(what["type"])], what["actions"], what["miss"],
                                               self._definers.get(what["definer"]), int(what["words"]))
        elif words[0] == "link":
            pair = tuple(what["rtc"].split(","))
            for matcher in pair:
                self._linked[matcher] = words[1]
                if matcher in self._matchers:
                    self._matchers[matcher].pair = pair
        elif words[0] == "stc":
            self._actions[words[1], words[2]] = (int(what["type"], 0), what["param"])
        elif words[0] == "argument":
            self._arguments[int(words[1])] = what["data"]
        elif words[:2] == ["hws", "add"]:
            return self._add(number, what)
        elif words[:2] == ["hws", "remove"]:
            return self._remove(what)
        return []

    def _place(self, matcher):
        """The table that it is in, and how many matchers stand before it."""
        missed = {made.miss: name for name, made in self._matchers.items()}
        at, before = self._linked.get(matcher), 0
        while at in missed:
            at, before = self._linked.get(missed[at]), before + 1
        return at, before

    def _key(self, what):
        matcher = self._matchers[what["rtc"]]
        return matcher.pair, what["data"][-matcher.words * 8:]

    def _add(self, number, what):
        name, matcher, key = what["rtc"], self._matchers[what["rtc"]], self._key(what)
        if not matcher.pair:
            return []
        if key in self._standing and name not in self._standing[key][1]:
            self._standing[key][1].add(name)
            return []
        data = [int(what["data"][at:at + 8], 16) for at in range(0, len(what["data"]), 8)]
        actions = [self._action(self._actions.get((matcher.actions, stc)), data) for stc in what["stc"].split(",")]
        match = matcher.definer.match(key[1]) if matcher.definer else {}
        rule = self._rule_type(f"h{number}", matcher.where, *self._place(name), match, [one for one in actions if one], number)
        self._standing[key] = [rule, {name}]
        return [("add", rule)]

    def _remove(self, what):
        key = self._key(what)
        rule, matchers = self._standing.get(key, (None, set()))
        matchers.discard(what["rtc"])
        if rule is None or matchers:
            return []
        del self._standing[key]
        return [("remove", rule)]

    def _action(self, made, data):
        if made is None or made[0] not in KINDS:
            return None
        kind, param = KINDS[made[0]], made[1]
        action = {"kind": kind}
        if kind == "reformat":
            size = int(param[6:8], 16) * 2 & 0xff
            argument = int(param[8:16], 16) + data[ARGUMENT_AT]
            action.update(type="l2_to_l2_tunnel", data=self._arguments.get(argument, "")[:size * 2])
        elif kind == "counter":
            action["counter"] = str(data[0])
        elif kind == "dest_vport":
            action["vport"] = str(int(param[4:8], 16))
        elif kind == "dest_table":
            action["level"] = f"f{int(param[:8], 16)}"
        elif kind == "set":
            field = int(param[:4], 16) & 0xfff
            action = {"kind": "modify_header", "commands": [f"set {fields.MODIFIED.get(field, hex(field))}={data[ARGUMENT_AT]:#x}"]}
        return action
