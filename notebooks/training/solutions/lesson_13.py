import holdings_kit as hk
from holdings_kit.clients import fetch_many


def integrate(access, auth_ids):
    with hk.GatewayClient(
        gateway=access.gateway,
        api_secret=access.api_secret,
        shared_secret=access.shared_secret,
        base_url=access.url,
        clock=access.now,
    ) as client:
        loaded = fetch_many(auth_ids, client.holdings, progress=False)
    found = dict.fromkeys(auth_ids)
    good = loaded.snapshots.filter(status="current", source="gateway")
    for account in good["account_id"]:
        rows = loaded.holdings.filter(account_id=account).drop_nulls("isin")
        pairs = rows.select("isin", "owned_quantity").rows()
        found[account] = {isin: int(quantity) for isin, quantity in pairs}
    return found
