"""
caches.py -- Other caches in front of the suite's backend, each configured to pass what it can.

Every one listens on the loopback address, keeps all it writes in one folder and ends with us.
"""
import os
import pathlib
import shutil
import string
import tempfile

import testsite

NGINX = """
daemon off;
pid $dir/nginx.pid;
error_log $dir/error.log;
worker_processes 1;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_timeout 30s;
  client_body_temp_path $dir/body;
  proxy_temp_path $dir/temp;
  proxy_cache_path $dir/cache levels=1:2 keys_zone=suite:10m;
  server {
    listen 127.0.0.1:$port;
    location / {
      proxy_pass http://127.0.0.1:$backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $$http_host;
      proxy_cache suite;
      proxy_cache_revalidate on;
      proxy_cache_background_update on;
    }
  }
}
"""
VARNISH = """
vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "$backend"; }
sub vcl_backend_response { set beresp.keep = 1h; }
"""
SQUID = """
http_port 127.0.0.1:$port accel defaultsite=localhost vhost
cache_peer 127.0.0.1 parent $backend 0 no-query no-digest originserver
http_access allow all
cache_mem 64 MB
pid_filename $dir/squid.pid
cache_log $dir/cache.log
access_log none
coredump_dir $dir
visible_hostname localhost
shutdown_lifetime 0 seconds
"""
# 1: what has an expiry date or Last-Modified is stored; with 0 all is, which the suite excludes.
TRAFFICSERVER = {
    "runroot.yaml": """
prefix: $dir
exec_prefix: /usr
bindir: /usr/bin
sbindir: /usr/bin
sysconfdir: $dir/config
datadir: $dir/data
includedir: /usr/include
libdir: /usr/lib/trafficserver
libexecdir: /usr/lib/trafficserver/modules
localstatedir: $dir/data
runtimedir: $dir/data
logdir: $dir/data
cachedir: $dir/data
""",
    "config/ip_allow.yaml": "ip_allow: [{apply: in, ip_addrs: 127.0.0.1, action: allow}]\n",
    "config/records.config": """
CONFIG proxy.config.admin.user_id STRING $user
CONFIG proxy.config.http.server_ports STRING $port:ip-in=127.0.0.1
CONFIG proxy.config.http.cache.required_headers INT 1
CONFIG proxy.config.http.keep_alive_no_activity_timeout_in INT 30
CONFIG proxy.config.url_remap.pristine_host_hdr INT 1
CONFIG proxy.config.http.insert_response_via_str INT 0
""",
    "config/remap.config": "map / http://127.0.0.1:$backend/\n",
    "config/storage.config": "$dir/cache 64M\n",
}
APACHE = """
ServerName localhost
Listen 127.0.0.1:$port
PidFile $dir/apache.pid
Mutex file:$dir
DefaultRuntimeDir $dir
ErrorLog $dir/error.log
$modules
ServerLimit 2
ThreadsPerChild 64
MaxRequestWorkers 128
KeepAliveTimeout 30
CacheRoot $dir/cache
CacheEnable disk /
CacheStoreExpired on
ProxyPreserveHost on
ProxyPass / http://127.0.0.1:$backend/
User $user
"""
APACHE_MODULES = ("mpm_event", "authz_core", "cache", "cache_disk", "proxy", "proxy_http")


class Cache:
    """One of them, in a folder of its own, that forwards to the backend's port."""

    def __init__(self, backend):
        self.backend = backend
        self.dir = tempfile.mkdtemp(prefix="dory-suite-")
        os.chmod(self.dir, 0o777)  # Some give up root's rights.
        self.port = testsite.free_port()
        os.makedirs(os.path.join(self.dir, "cache"))
        os.chmod(os.path.join(self.dir, "cache"), 0o777)
        self.process = testsite.Process(self.command(), os.path.join(self.dir, "log"),
                                        self.environment())
        self.process.wait_for_address(("127.0.0.1", self.port))

    def environment(self):
        return {}

    def write(self, name, template, **more):
        path = pathlib.Path(self.dir, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(string.Template(template).substitute(
            port=self.port, dir=self.dir, backend=self.backend, **more))
        return str(path)

    def close(self):
        self.process.end()
        shutil.rmtree(self.dir, ignore_errors=True)


class Nginx(Cache):
    name = "nginx"

    def command(self):
        return ["nginx", "-c", self.write("nginx.conf", "user root;" * (os.geteuid() == 0) + NGINX)]


class Varnish(Cache):
    name = "Varnish"

    def command(self):
        return ["varnishd", "-F", "-j", "none", "-n", os.path.join(self.dir, "varnish"),
                "-a", f"127.0.0.1:{self.port}", "-s", "malloc,64m",
                # What has no lifetime of its own gets none: the suite asks that first.
                "-p", "default_ttl=0", "-p", "default_grace=0",
                "-f", self.write("suite.vcl", VARNISH)]


class Squid(Cache):
    name = "Squid"

    def command(self):
        return ["squid", "-N", "-f", self.write("squid.conf", SQUID)]


class TrafficServer(Cache):
    name = "Traffic Server"

    def command(self):
        user = "trafficserver" if os.geteuid() == 0 else "#-1"
        for name, text in TRAFFICSERVER.items():
            self.write(name, text, user=user)
        os.mkdir(os.path.join(self.dir, "data"))
        os.chmod(os.path.join(self.dir, "data"), 0o777)
        return ["traffic_server"]

    def environment(self):
        return {"TS_RUNROOT": self.dir}


class Apache(Cache):
    name = "Apache mod_cache"

    def command(self):
        modules = "\n".join(f"LoadModule {m}_module {testsite.APACHE_MODULE_DIR}/mod_{m}.so"
                            for m in APACHE_MODULES)
        user = "www-data" if os.geteuid() == 0 else "#-1"
        return ["apache2", "-DFOREGROUND", "-f",
                self.write("apache.conf", APACHE, modules=modules, user=user)]


ALL = (Nginx, Varnish, Squid, TrafficServer, Apache)
