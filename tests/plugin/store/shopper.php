<?php
/**
 * What a shopper's browser, a gateway or staff can do to the stand-in: POST with `stub` = the act.
 */

/** The block checkout's push of what was typed; WooCommerce cleans the address. */
add_action(
	'rest_api_init',
	fn() => register_rest_route(
		'wc/store/v1',
		'/cart/update-customer',
		array(
			'methods'             => 'POST',
			'permission_callback' => '__return_true',
			'callback'            => function ( $request ) {
				foreach ( $request['billing_address'] ?? array() as $field => $value ) {
					WC()->customer->{"set_billing_$field"}( 'email' === $field ? sanitize_email( $value ) : esc_html( $value ) );
				}
				do_action( 'woocommerce_store_api_cart_update_customer_from_request', WC()->customer, $request );
				WC()->customer->save();
				WC()->cart->calculate_totals();
				return array( 'ok' => true );
			},
		)
	)
);

add_action(
	'template_redirect',
	function () {
		$ajax = $_GET['wc-ajax'] ?? '';
		if ( 'update_order_review' === $ajax ) {
			do_action( 'woocommerce_checkout_update_order_review', wp_unslash( $_POST['post_data'] ) );
			wp_send_json( array( 'ok' => true ) );
		} elseif ( $ajax ) {
			do_action( "wc_ajax_$ajax" );
		}
	},
	0
);

add_action(
	'template_redirect',
	function () {
		$act = 'stub_' . ( $_POST['stub'] ?? '' );
		if ( function_exists( $act ) ) {
			wp_send_json( $act( wp_unslash( $_POST ) ) );
		}
	},
	2
);

function stub_add( $do ) {
	return WC()->cart->add_to_cart( (int) $do['product'], (int) ( $do['quantity'] ?? 1 ), (int) ( $do['variation_id'] ?? 0 ), $do['variation'] ?? array(), $do['extra'] ?? array() );
}

function stub_remove( $do ) {
	WC()->cart->remove_cart_item( $do['key'] );
}

function stub_coupon( $do ) {
	WC()->cart->apply_coupon( $do['code'] );
}

function stub_tick( $do ) {
	do_action( 'woocommerce_set_additional_field_value', $do['field'], 'yes' === $do['value'], 'other', WC()->customer );
}

function stub_look() {
	return array(
		'cart'     => array_map( fn( $item ) => array_diff_key( $item, array( 'data' => 0 ) ), array_values( WC()->cart->get_cart() ) ),
		'coupons'  => WC()->cart->get_applied_coupons(),
		'customer' => WC()->session->get( 'customer' ),
		'notices'  => WC()->session->get( 'notices' ),
		'user'     => get_current_user_id(),
	);
}

/** Place order. `then`: the status the gateway gives at once; '' is a gateway that answers later. */
function stub_order( $do ) {
	$order = wc_get_order( $do['retry'] ?? 0 ) ?: WC_Order::create( sanitize_email( $do['email'] ) );
	$order->update_status( 'pending' );
	if ( 'classic' === ( $do['checkout'] ?? 'block' ) ) {
		do_action( 'woocommerce_checkout_order_processed', $order->get_id(), $do, $order );
	} else {
		$request = new WP_REST_Request( 'POST' );
		$request->set_param( 'billing_address', array( 'email' => $do['email'] ) );
		$request->set_param( 'extensions', $do['extensions'] ?? array() );
		do_action( 'woocommerce_store_api_checkout_update_order_from_request', $order, $request );
		do_action( 'woocommerce_store_api_checkout_order_processed', $order );
	}
	if ( ! empty( $do['then'] ) ) {
		$order->update_status( $do['then'] );
		if ( 'failed' !== $do['then'] && empty( $do['keep_cart'] ) ) {
			WC()->cart->empty_cart();
		}
	}
	return array( 'id' => $order->get_id(), 'meta' => wc_get_order( $order->get_id() )->data['meta'] );
}

function stub_status( $do ) {
	wc_get_order( $do['order'] )->update_status( $do['to'] );
}

function stub_empty() {
	WC()->cart->empty_cart();
}
