"""Hardware steering (dv_flow_en=2) in the record: work requests, put together to rules.

The driver makes a rule of the E-Switch once for what comes from the wire and once for what comes from the VFs, unless the
rule names its source; here the two are one rule, which stands while one of them does."""

KINDS = {0x05: "copy", 0x06: "set", 0x07: "add", 0x08: "remove_words", 0x09: "remove_header", 0x0b: "reformat", 0x0c: "tag",
         0x0e: "modify_header", 0x14: "counter", 0x81: "dest_tir", 0x82: "dest_table", 0x83: "drop", 0x85: "dest_vport",
         0x86: "dest_wire"}
WHERE = {0: "nic_rx", 1: "nic_tx", 10: "fdb", 11: "fdb"}
WORDS = 16
MATCH_AT = 8  # the words before are the actions' data
ARGUMENT_AT = 7  # where in the data the offset of an argument stands


class SteeringRequests:
    def __init__(self, rule_type):
        self._rule_type = rule_type
        self._matchers, self._actions, self._arguments = {}, {}, {}
        self._linked = {}  # matcher -> the table, or what another misses to, that leads to it
        self._missed = {}  # what a matcher misses to -> that matcher
        self._pairs = {}  # matcher -> itself and its other half
        self._standing = {}  # (pair, words) -> [rule, matchers in which it stands]

    def standing(self):
        return [rule for rule, _ in self._standing.values()]

    def read(self, number, words):
        """The rules that came or went by this line of the record: [("add" or "remove", rule)]."""
        what = dict(word.split("=") for word in words if "=" in word)
        if words[0] == "rtc":
            self._matchers[words[1]] = (WHERE[int(what["type"])], what["actions"])
            self._missed[what["miss"]] = words[1]
        elif words[0] == "link":
            pair = tuple(what["rtc"].split(","))
            for matcher in pair:
                self._linked[matcher] = words[1]
                self._pairs[matcher] = pair
        elif words[0] == "stc":
            self._actions[words[1], words[2]] = (int(what["type"], 0), what["param"])
        elif words[0] == "argument":
            self._arguments[int(words[1])] = what["data"]
        elif words[:2] == ["hws", "add"]:
            return self._add(number, what)
        elif words[:2] == ["hws", "remove"]:
            return self._remove(what)
        return []

    def _table(self, matcher):
        """The number of the table that it is in."""
        at = self._linked.get(matcher)
        while at in self._missed:
            at = self._linked.get(self._missed[at])
        return at

    def _key(self, what):
        data = [int(what["data"][i * 8:i * 8 + 8], 16) for i in range(WORDS)]
        return (self._pairs.get(what["rtc"], what["rtc"]), tuple(data[MATCH_AT:])), data

    def _add(self, number, what):
        matcher = what["rtc"]
        key, data = self._key(what)
        if key in self._standing and matcher not in self._standing[key][1]:
            self._standing[key][1].add(matcher)
            return []
        where, base = self._matchers[matcher]
        actions = [self._action(self._actions.get((base, stc)), data) for stc in what["stc"].split(",")]
        rule = self._rule_type(f"h{number}", where, self._table(matcher), words=key[1], line=number,
                               actions=[action for action in actions if action])
        self._standing[key] = [rule, {matcher}]
        return [("add", rule)]

    def _remove(self, what):
        key, _ = self._key(what)
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
            action["table"] = f"f{int(param[:8], 16)}"
        elif kind == "set":
            action["value"] = hex(data[ARGUMENT_AT])
        return action
