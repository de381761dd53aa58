"""The reviewed surface: every tool, whether it may be repeated, and its actions with their arguments."""

from __future__ import annotations

SURFACE = """
devices_read | yes | list(filters?) · get(device_id) · get_routes(device_id) · get_attributes(device_id)
devices_write | yes | batch_set_attributes(nodes, comment?) · set_routes(device_id, routes) · set_authorized(device_id, authorized) · set_name(device_id, name) · set_tags(device_id, tags) · set_key(device_id, key_expiry_disabled) · set_ip(device_id, ipv4) · set_attribute(device_id, attribute_key, value, expiry?, comment?)
devices_delete | yes | delete(device_id) · expire_key(device_id) · delete_attribute(device_id, attribute_key)
device_invites_read | yes | list(device_id) · get(device_invite_id)
device_invites_write | no | create(device_id, invites) · resend(device_invite_id) · accept(invite)
device_invites_delete | yes | delete(device_invite_id)
user_invites_read | yes | list() · get(user_invite_id)
user_invites_write | no | create(invites) · resend(user_invite_id)
user_invites_delete | yes | delete(user_invite_id)
users_read | yes | list(type?, role?) · get(user_id)
users_write | yes | set_role(user_id, role) · approve(user_id) · restore(user_id)
users_delete | no | suspend(user_id) · delete(user_id)
keys_read | yes | list(all?) · get(key_id)
keys_write | no | create(key_type, description?, capabilities?, expiry_seconds?, scopes?, tags?, issuer?, subject?, audience?, custom_claim_rules?) · update(key_id, key_type, description?, scopes?, tags?, issuer?, subject?, audience?, custom_claim_rules?)
keys_delete | yes | delete(key_id)
policy_read | yes | get(details?) · preview(type, preview_for, policy) · validate(policy?, tests?)
policy_delete | yes | set(if_match, policy)
dns_read | yes | get_nameservers() · get_preferences() · get_search_paths() · get_split_dns() · get_configuration()
dns_write | yes | set_preferences(magic_dns) · update_split_dns(split_dns)
dns_delete | yes | set_nameservers(dns) · set_search_paths(search_paths) · set_split_dns(split_dns) · set_configuration(nameservers?, split_dns?, search_paths?, preferences?)
logging_read | yes | list_audit_logs(start, end, actor?, target?, event?) · list_network_logs(start, end) · get_stream_status(log_type) · get_stream(log_type) · validate_aws_trust_policy(id, role_arn)
logging_write | no | create_aws_external_id(reusable?)
logging_delete | yes | set_stream(log_type, destination_type, url?, user?, upload_period_minutes?, compression_format?, token?, s3_bucket?, s3_region?, s3_key_prefix?, s3_authentication_type?, s3_access_key_id?, s3_secret_access_key?, s3_role_arn?, gcs_bucket?, gcs_key_prefix?, gcs_scopes?, gcs_credentials?) · disable_stream(log_type)
posture_integrations_read | yes | list() · get(id)
posture_integrations_write | no | create(provider, client_secret, cloud_id?, client_id?, tenant_id?) · update(id, provider?, cloud_id?, client_id?, tenant_id?, client_secret?)
posture_integrations_delete | yes | delete(id)
webhooks_read | yes | list() · get(endpoint_id)
webhooks_write | no | create(endpoint_url, subscriptions, provider_type?) · update(endpoint_id, subscriptions) · test(endpoint_id)
webhooks_delete | no | delete(endpoint_id) · rotate_secret(endpoint_id)
settings_read | yes | get()
settings_write | yes | update(acls_externally_managed_on?, acls_external_link?, devices_approval_on?, devices_auto_updates_on?, devices_key_duration_days?, users_approval_on?, users_role_allowed_to_join_external_tailnets?, network_flow_logging_on?, regional_routing_on?, posture_identity_collection_on?, https_enabled?)
contacts_read | yes | get()
contacts_write | no | update(contact_type, email) · resend_verification(contact_type)
services_read | yes | list() · get(service_name) · list_hosts(service_name) · get_approval(service_name, device_id)
services_write | yes | update(service_name, addrs?, name?, comment?, ports?, tags?) · set_approval(service_name, device_id, approved)
services_delete | yes | delete(service_name)
oauth_apps_read | yes | list() · get(app_id)
oauth_apps_write | no | create(name, redirect_uris, scopes, description?, allowed_node_attributes?) · update(app_id, name, redirect_uris, scopes, description?, allowed_node_attributes?)
oauth_apps_delete | yes | delete(app_id)
access_read | yes | explain(source, destination, port?, protocol?, policy?) · reach(source?, destination?, port?, protocol?, policy?) · diff(policy, base?) · lint(severity?, policy?) · history()
policy_change | yes | change(intent?, name?, value?, rule?, patch?, text?, reason?, accept_warnings?, override?)
policy_rollback | no | rollback(version?, reason?, override?)
fleet_read | yes | find(query?) · status() · duplicates() · stale(days?) · connectivity() · routes() · exit_nodes() · expiring(days?) · tags() · changes(change?)
fleet_write | no | authorize(query, max_changes?, max_percent?) · tag(query, add?, remove?, max_changes?, max_percent?) · apply_tag_rules(rules, max_changes?, max_percent?) · mark_stale(days, max_changes?, max_percent?) · exit_node(device, enabled, insist?) · onboard(login, role?) · rotate_key(key_id) · subnets(device, add?, remove?, insist?)
fleet_delete | no | remove(query, max_changes?, max_percent?) · quarantine(days, never_routers?, max_changes?, max_percent?) · remove_stale(days, never_routers?, skip_quarantine?, max_changes?, max_percent?) · offboard(login, delete?) · retire_key(key_id) · fix(findings, max_changes?, max_percent?) · undo(change) · resume(change)
audit_read | yes | run() · findings(filter?) · explain(finding)
"""


def reviewed() -> dict[str, tuple[bool, list[str]]]:
    """Return whether a tool is idempotent, and its actions, by tool name in listing order."""
    rows = [line.split(" | ") for line in SURFACE.strip().splitlines()]
    return {name: (repeatable == "yes", actions.split(" · ")) for name, repeatable, actions in rows}
