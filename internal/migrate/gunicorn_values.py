# Runs a gunicorn configuration and prints what it left behind, as JSON.
import json, os, sys, types

path = sys.argv[1]
scope = {"__builtins__": __builtins__, "__name__": "__config__", "__file__": path, "__doc__": None, "__package__": None}
sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
stdout, sys.stdout = sys.stdout, sys.stderr
with open(path, "rb") as f:
    exec(compile(f.read(), path, "exec"), scope)

names = set("""
access_log_format accesslog backlog bind ca_certs capture_output cert_reqs certfile chdir child_exit ciphers daemon
disable_redirect_access_to_syslog do_handshake_on_connect dogstatsd_tags enable_stdio_inheritance errorlog
forwarded_allow_ips forwarder_headers graceful_timeout group header_map http_protocols initgroups keepalive keyfile
limit_request_field_size limit_request_fields limit_request_line logconfig logconfig_dict logconfig_json logger_class
loglevel max_requests max_requests_jitter nworkers_changed on_exit on_reload on_starting paste pidfile post_fork
post_request post_worker_init pre_exec pre_fork pre_request preload_app print_config proc_name proxy_allow_ips
proxy_protocol pythonpath raw_env raw_paste_global_conf reload reload_engine reload_extra_files reuse_port
secure_scheme_headers sendfile spew ssl_context ssl_version statsd_host statsd_prefix strip_header_spaces
suppress_ragged_eofs syslog syslog_addr syslog_facility syslog_prefix threads timeout tmp_upload_dir
tolerate_dangerous_framing umask user when_ready worker_abort worker_class worker_connections worker_exit worker_int
worker_tmp_dir workers wsgi_app permit_obsolete_folding permit_unconventional_http_method
permit_unconventional_http_version casefold_http_method control_socket control_socket_mode no_control_socket
""".split())
plain, hooks, odd = {}, [], []
for name in sorted(scope):
    value = scope[name]
    if name not in names and not name.startswith(("dirty_", "http2_", "asgi_")) or value is None:
        continue
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, (str, int, float)) or isinstance(value, list) and all(isinstance(v, str) for v in value):
        plain[name] = value
    elif isinstance(value, (types.FunctionType, types.BuiltinFunctionType)):
        hooks.append(name)
    elif isinstance(value, type):
        plain[name] = value.__module__ + "." + value.__qualname__
    else:
        odd.append(name)
json.dump({"plain": plain, "hooks": hooks, "odd": odd}, stdout)
