"""A template carries actors, settings, rules and words from one group to another, and nothing else; one that cannot be imported changes nothing."""

import os

import yaml

from gateway import Line, call, team


RULE = {"id": "r", "trigger": {"kind": "interval", "every_seconds": 60}, "action": {"kind": "notify", "message": "m"}}


def refusal(home, op, **args):
    with Line(home) as line:
        reply = line.reply(op, **args)
    assert not reply["ok"], reply
    return reply["error"]


def export(home, group):
    return yaml.safe_load(call(home, "group_template_export", group_id=group)["template"])


def shape(home, group):
    """What an import decides of a group."""
    found = call(home, "group_show", group_id=group)["group"]
    actors = [{k: a[k] for k in ("id", "title", "runtime", "runner", "command", "submit", "enabled")} for a in found["actors"]]
    return actors, {k: found["automation"][k] for k in ("rules", "snippets")}, export(home, group)["settings"]


def words(home, group, **texts):
    folder = home.path / "groups" / group / "prompts"
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, text in texts.items():
        (folder / f"CCCC_{name.upper()}.md").write_text(text)


def filled(home):
    group = team(home, "lead", "peer-1")
    call(home, "group_update", group_id=group, patch={"title": "Ünit: Two / 2"})
    call(home, "group_settings_update", group_id=group, patch={"default_send_to": "broadcast", "auto_mark_on_delivery": "yes", "nudge_after_seconds": 60})
    call(home, "actor_update", group_id=group, actor_id="lead", patch={"env": {"VISIBLE": "not in a template"}, "title": "Chief"})
    call(home, "actor_env_private_update", group_id=group, actor_id="lead", set={"TOKEN": "hush"})
    words(home, group, preamble="# Hello\n\n  yes: no, ~ #\nüñí\n", help="one line, no end")
    return group


def test_what_is_exported_makes_the_same_group_elsewhere(served, tmp_path):
    group = filled(served)
    exported = call(served, "group_template_export", group_id=group)
    assert exported["filename"] == "cccc-group-template--nit-two-2.yaml"
    assert "not in a template" not in exported["template"] and "hush" not in exported["template"]
    made = call(served, "group_create_from_template", path=str(tmp_path), template=exported["template"], title="Copy")
    assert made["applied"] is True and made["group_id"] != group
    assert shape(served, made["group_id"]) == shape(served, group)
    assert export(served, made["group_id"])["prompts"] == export(served, group)["prompts"]
    shown = call(served, "group_show", group_id=made["group_id"])["group"]
    assert shown["title"] == "Copy" and shown["scopes"][0]["url"] == os.path.realpath(tmp_path)
    again = refusal(served, "group_create_from_template", path=str(tmp_path), template=exported["template"])
    assert again["code"] == "scope_already_attached" and again["details"] == {"group_id": made["group_id"], "path": os.path.realpath(tmp_path)}


def test_an_import_replaces_and_its_preview_said_so(served):
    group = filled(served)
    template = {"actors": [{"id": "new", "runner": "headless", "runtime": "custom", "command": "run 'two words' --x"},
                           {"id": "lead", "runner": "headless", "runtime": "custom", "command": ["cat"], "enabled": "false"}],
                "settings": {"nudge_after_seconds": 7}, "prompts": {"help": "new words\n", "preamble": None},
                "automation": {"rules": [RULE], "snippets": {"s": "text"}}}
    text = yaml.safe_dump(template)
    preview = call(served, "group_template_preview", group_id=group, template=text)
    diff = preview["diff"]
    assert diff["actors_add"] == ["new"] and diff["actors_update"] == ["lead"] and diff["actors_remove"] == ["peer-1"]
    assert diff["settings_changed"] == {"default_send_to": {"from": "broadcast", "to": "foreman"}, "nudge_after_seconds": {"from": 60, "to": 7},
                                        "reply_required_nudge_after_seconds": {"from": 60, "to": 300}, "attention_ack_nudge_after_seconds": {"from": 120, "to": 600},
                                        "unread_nudge_after_seconds": {"from": 180, "to": 900}, "auto_mark_on_delivery": {"from": True, "to": False}}
    assert [diff["prompts_changed"][k]["new_source"] for k in ("preamble", "help")] == ["builtin", "home"]
    assert preview["template"]["actors"][0]["command"] == ["run", "two words", "--x"] and preview["template"]["automation"] == {"rules": 1, "snippets": 1}
    before = shape(served, group)
    assert call(served, "group_template_preview", group_id=group, template=text)["diff"] == diff and shape(served, group) == before
    done = call(served, "group_template_import_replace", group_id=group, confirm=group, template=text)
    assert (done["removed"], done["added"], done["updated"]) == (["peer-1"], ["new"], ["lead"])
    assert [os.path.basename(p) for p in done["prompt_paths"]] == ["CCCC_PREAMBLE.md", "CCCC_HELP.md"]
    assert [a["id"] for a in call(served, "actor_list", group_id=group)["actors"]] == ["new", "lead"]
    state = call(served, "group_automation_state", group_id=group)
    assert [r["id"] for r in state["ruleset"]["rules"]] == ["r"] and state["ruleset"]["snippets"] == {"s": "text"} and state["version"] == 2
    assert export(served, group)["prompts"] == {"help": "new words\n"}
    lead = call(served, "group_show", group_id=group)["group"]["actors"][1]
    assert lead["env"] == {"VISIBLE": "not in a template"} and lead["enabled"] is False and lead["title"] == ""
    assert call(served, "actor_env_private_keys", group_id=group, actor_id="lead")["keys"] == ["TOKEN"]
    assert call(served, "group_template_preview", group_id=group, template=text)["diff"]["actors_update"] == []
    kept = shape(served, group)
    served.kill()
    served.start()
    assert shape(served, group) == kept


def test_what_cannot_be_is_refused_whole(served):
    group = filled(served)
    before, head = shape(served, group), call(served, "ledger_read", group_id=group, before_seq=0, limit=1)["head_seq"]
    lead = {"id": "lead", "runner": "headless"}
    for code, template in [("invalid_template", "{"), ("invalid_template", "- a\n"), ("invalid_template", "a: &x 1\nb: *x\n"),
                           ("invalid_template", {"kind": "other"}), ("invalid_template", {"v": 2}), ("invalid_template", {"actors": [lead, lead]}),
                           ("invalid_template", {"actors": [lead, {"id": "../x"}]}), ("invalid_template", {"actors": [{"title": "x"}]}),
                           ("invalid_template", {"actors": [{"id": "a", "command": "it's"}]}), ("invalid_template", {"actors": [{"id": "a", "runner": "boat"}]}),
                           ("invalid_template", {"settings": {"nudge_after_seconds": -1}}), ("invalid_template", {"settings": {"default_send_to": "all"}}),
                           ("invalid_template", {"prompts": {"help": "x" * 40000}}), ("invalid_template", {"automation": {"rules": [{}]}}), ("invalid_template", {"automation": {"rules": [RULE, RULE]}}),
                           ("invalid_template", {"automation": {"rules": [RULE | {"name": "old"}]}}), ("invalid_template", {"automation": {"snippets": {"a": 7}}}),
                           ("template_apply_failed", {"actors": [lead, {"id": "p", "runtime": "custom", "runner": "pty"}]})]:
        text = template if isinstance(template, str) else yaml.safe_dump(template)
        error = refusal(served, "group_template_import_replace", group_id=group, confirm=group, template=text)
        assert error["code"] == code, (template, error)
    assert error["details"]["actor_id"] == "p" and error["details"]["cause"] == "missing_command"
    peer = refusal(served, "group_template_import_replace", group_id=group, confirm=group, template="{}", by="peer-1")
    assert peer["code"] == "permission_denied"
    assert refusal(served, "group_template_import_replace", group_id=group, confirm="g_000000000000", template="{}")["code"] == "confirmation_required"
    assert shape(served, group) == before and call(served, "ledger_read", group_id=group, before_seq=0, limit=1)["head_seq"] == head


def test_a_running_group_is_stopped_by_an_import(served, tmp_path):
    group = team(served)
    call(served, "attach", path=str(tmp_path), group_id=group)
    call(served, "actor_add", group_id=group, actor_id="term", runtime="custom", runner="pty", command=["cat"])
    call(served, "group_start", group_id=group)
    text = call(served, "group_template_export", group_id=group)["template"]
    call(served, "group_template_import_replace", group_id=group, confirm=group, template=text)
    assert not any(a["running"] for a in call(served, "actor_list", group_id=group)["actors"])
    assert call(served, "group_show", group_id=group)["group"]["running"] is False
    call(served, "group_start", group_id=group)
    assert [a["id"] for a in call(served, "actor_list", group_id=group)["actors"] if a["running"]] == ["term"]
    call(served, "group_stop", group_id=group)
