"""The step of registration that shows what the battery is, lets its owner correct it, and makes it theirs."""

from datetime import date

import streamlit as st

from streamlit_app import visit
from streamlit_app.services import registration
from streamlit_app.services.accounts import Account
from streamlit_app.services.registration import CheckedLink, DeviceDetails
from streamlit_app.services.sites import Site
from streamlit_app.web_state import settings

_EARLIEST = date(2010, 1, 1)
_MAX_CHARACTERS = 200


def ask_for_battery(account: Account, checked: CheckedLink, site: Site) -> None:
    """The form, filled in from the battery's record; sending it registers the battery."""
    known = checked.details
    with st.container(border=True, key="register_battery"):
        st.subheader("Your battery", anchor=False)
        st.caption("This is what its record says. Correct what is different on its label.")
        with st.form("register_battery_form", border=False):
            details = _fields(known)
            submitted = st.form_submit_button("Register this battery", key="register_battery_submit", type="primary")
        if submitted:
            with visit.told():
                registration.bind(settings(), account, checked, str(site.site_id), details, visit.now())
                st.rerun()


def _fields(known: DeviceDetails) -> DeviceDetails:
    left, right = st.columns(2)
    manufacturer = left.text_input(
        "Manufacturer", known.manufacturer_name, key="register_manufacturer", max_chars=_MAX_CHARACTERS
    )
    product = right.text_input("Product", known.product_name, key="register_product", max_chars=_MAX_CHARACTERS)
    serial = left.text_input("Serial number", known.serial_number, key="register_serial", max_chars=_MAX_CHARACTERS)
    installed = right.date_input(
        "Installed on", value=None, min_value=_EARLIEST, max_value=visit.now().date(), key="register_installed"
    )
    capacity, charge, discharge = st.columns(3)
    return DeviceDetails(
        manufacturer_name=manufacturer.strip(),
        product_name=product.strip(),
        serial_number=serial.strip(),
        install_date=installed,
        battery_capacity_wh=_kilo(capacity, "Capacity (kWh)", known.battery_capacity_wh, "register_capacity"),
        battery_power_input_w=_kilo(charge, "Charges at up to (kW)", known.battery_power_input_w, "register_input"),
        battery_power_output_w=_kilo(discharge, "Delivers up to (kW)", known.battery_power_output_w, "register_output"),
    )


def _kilo(place: st.delta_generator.DeltaGenerator, label: str, value: float | None, key: str) -> float | None:
    """A figure in thousands of its unit; None while it is not known."""
    typed = place.number_input(
        label, value=None if value is None else value / 1000, min_value=0.1, max_value=1000.0, step=0.1, key=key
    )
    return None if typed is None else typed * 1000
