def may_use(consent, purpose, now):
    if consent is None or purpose not in consent["purposes"]:
        return False
    ends = [consent["ends_at"], consent["withdrawn_at"]]
    if any(end is not None and now >= end for end in ends):
        return False
    return now >= consent["given_at"]


def erase(records, user):
    gone = {auth_id for auth_id, owner in records["links"].items() if owner == user}
    for auth_id in gone:
        del records["links"][auth_id]
    for name in ("snapshots", "deliveries"):
        left = [one for one in records[name] if one["smallcaseAuthId"] not in gone]
        records[name] = left
    records["consents"].pop(user, None)


def receive(records, delivery):
    if delivery["smallcaseAuthId"] in records["links"]:
        records["deliveries"].append(delivery)
