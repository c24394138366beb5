"""A page of Flask's, with a template."""
from flask import Flask, render_template_string

application = Flask(__name__)
PAGE = "<h1>{{ title }}</h1><ul>{% for i in items %}<li>{{ i }}</li>{% endfor %}</ul>"


@application.route("/", defaults={"rest": ""})
@application.route("/<path:rest>")
def page(rest):
    return render_template_string(PAGE, title="bench", items=range(10))
