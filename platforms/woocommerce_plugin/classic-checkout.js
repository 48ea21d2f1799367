/**
 * The classic checkout tells WooCommerce the e-mail address only with the order. This sends it, with the name, while it
 * is typed: 1.2 seconds after the last key, when a field is left, and when the page is.
 */
( function ( settings ) {
	'use strict';

	var form = document.querySelector( 'form.checkout' );
	var timer = 0;
	var sent = '';

	if ( ! form || ! settings || ! window.fetch || ! window.URLSearchParams ) {
		return;
	}

	function value( name ) {
		var field = form.querySelector( '[name="billing_' + name + '"]' );
		return field ? field.value.trim() : '';
	}

	function collect() {
		var body = new URLSearchParams( { nonce: settings.nonce } );
		[ 'email', 'first_name', 'last_name', 'phone', 'country' ].forEach( function ( name ) {
			body.append( name, value( name ) );
		} );
		settings.consent.forEach( function ( name ) {
			var box = form.querySelector( 'input[type="checkbox"][name="' + CSS.escape( name ) + '"]' );
			if ( box ) {
				body.append( 'consent[' + name + ']', box.checked ? '1' : '0' );
			}
		} );
		return body;
	}

	function save() {
		var body = collect();
		clearTimeout( timer );
		if ( String( body ) === sent || ! /^\S+@\S+\.\S+$/.test( value( 'email' ) ) ) {
			return;
		}
		sent = String( body );
		fetch( settings.url, { method: 'POST', body: body, credentials: 'same-origin', keepalive: true } ).catch( function () {
			sent = '';
		} );
	}

	form.addEventListener( 'input', function () {
		clearTimeout( timer );
		timer = setTimeout( save, 1200 );
	} );
	form.addEventListener( 'change', save );
	window.addEventListener( 'pagehide', save );
}( window.winbackCheckout ) );
