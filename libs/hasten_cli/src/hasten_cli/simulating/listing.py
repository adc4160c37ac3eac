"""`--policies`: what can be written after --policy."""

from hasten_cli.output import print_json, print_table


def list_policies(*, as_json: bool) -> None:
    """Prints every kind and name with its description."""
    from hasten_policy.registry import KINDS, describe, names
    from hasten_policy.scaling.rules.table import SCALING_RULES

    found = [(kind, name, describe(kind, name)) for kind in KINDS for name in names(kind)]
    found += [("autoscaler", name, SCALING_RULES.describe(name)) for name in SCALING_RULES.names]
    if as_json:
        print_json(
            {"policies": [{"kind": k, "name": n, "description": says} for k, n, says in found]}
        )
        return
    print_table(("kind", "name", "what it does"), found, empty="")
    print("\nwrite BUNDLE, or BUNDLE,kind=name,..., as --policy hasten,balancer=round_robin")
    print("write RULE, or RULE,field=value,..., as --autoscaler hpa,target=0.6")
